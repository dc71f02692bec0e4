/** The deployment's public keys (sync-and-http.md §2.5), over HTTP and for this process itself. */
import { jsonReply, type RouteHandler, type Router } from '@concave/http'
import type { FetchDiscovery } from '../auth/fetch-document.ts'
import type { SigningKeys } from '../auth/signing-keys.ts'

const keySetPath = '/.well-known/jwks.json'

export function addKeyRoutes(router: Router<RouteHandler>, keys: SigningKeys): void {
  router.add('GET', keySetPath, async () => jsonReply(await keys.publicKeySet()))
}

/** What those routes answer, without the network. */
export function openKeyDocuments(keys: SigningKeys): FetchDiscovery {
  return async (url) => {
    if (new URL(url).pathname !== keySetPath) return { status: 404, contentType: 'text/plain', text: '' }
    return { status: 200, contentType: 'application/json', text: JSON.stringify(await keys.publicKeySet()) }
  }
}
