import { NotFound } from '@concave/base'
import type { CreatableType } from './deployments.ts'
import type { DeploymentType } from './records.ts'

/** 404, as clients treat what a server lacks; the command line prints the message. */
export function featureNotAvailable(what: string): NotFound {
  return new NotFound('FeatureNotAvailable', `${what} is not available on this server yet.`)
}

/** Throws 404 `FeatureNotAvailable` for previews. */
export function checkCreatable(type: DeploymentType): CreatableType {
  if (type === 'preview') throw featureNotAvailable('Creating preview deployments')
  return type
}
