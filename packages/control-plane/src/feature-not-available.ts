import { NotFound } from '@concave/base'

/** 404, as clients treat what a server lacks; the command line prints the message. */
export function featureNotAvailable(what: string): NotFound {
  return new NotFound('FeatureNotAvailable', `${what} is not available on this server yet.`)
}
