/** One operation of the Management API: its id in the contract and what it does. */
import type { HttpReply, OperationCall } from '@concave/http'
import { readCreationMark, type CreationMark } from './creations.ts'
import type { Principal } from './principal.ts'
import type { Services } from './services.ts'

export type Operation = {
  readonly id: string
  readonly run: (services: Services, call: OperationCall<Principal>) => Promise<HttpReply>
}

/** What a handler declares of its input; it says what the contract says, which has been checked before. */
export type OperationInput = { readonly path?: object; readonly query?: object; readonly body?: unknown }

/** What every handler gets beside its declared input. */
type Caller = {
  readonly principal: Principal
  /** Of a request that carries an `Idempotency-Key`; for operations that create. */
  readonly mark: CreationMark | undefined
}

/**
 * `run` gets the validated input as `Input`. The contract is the check and `Input` its reflection in types, so this is
 * the one place that asserts a type.
 */
export function operation<Input extends OperationInput = object>(
  id: string,
  run: (services: Services, input: Input & Caller) => Promise<HttpReply>,
): Operation {
  return {
    id,
    run: async (services, { path, query, body, principal, request }) => {
      const header = request.headers['idempotency-key']
      const mark = readCreationMark(header, { tokenId: principal.token.id, operation: id, path, body })
      return await run(services, { path, query, body, principal, mark } as unknown as Input & Caller)
    },
  }
}
