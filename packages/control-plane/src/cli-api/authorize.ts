import { cliRoute } from '../cli-route.ts'

/** "Is my credential good?": any valid one is, keys of deployments included. */
export const authorize = cliRoute({ method: 'HEAD', path: '/authorize', run: async () => ({}) })
