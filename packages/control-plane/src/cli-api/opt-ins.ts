import { cliRoute } from '../cli-route.ts'

/** This server asks nobody to accept anything. */
export const checkOptIns = cliRoute({
  method: 'POST',
  path: '/check_opt_ins',
  run: async () => ({ optInsToAccept: [] }),
})

export const acceptOptIns = cliRoute({ method: 'POST', path: '/accept_opt_ins', run: async () => ({}) })
