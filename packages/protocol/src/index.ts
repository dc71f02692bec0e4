/** Schemas and types of every message that crosses the wire to and from a deployment, and the names in them. */
export {
  anonymous,
  authTokenOf,
  identityKey,
  userAttributesOf,
  type Identity,
  type UserAttributes,
} from './identity.ts'
export {
  canonicalFunctionPath,
  canonicalModulePath,
  displayFunctionPath,
  parseFunctionPath,
  type FunctionPath,
} from './function-path.ts'
export {
  clientMessageSchema,
  type AuthenticateMessage,
  type CallMessage,
  type ClientMessage,
  type ConnectMessage,
  type ModifyQuerySetMessage,
  type StateVersion,
} from './sync-messages.ts'
export { noClient, readRequestClient, type RequestClient } from './request-client.ts'
export { sessionRequestId } from './request-id.ts'
export { decodeTs, encodeTs } from './ts-encoding.ts'
export {
  deploymentActions,
  isAllowed,
  isReadOnlySet,
  operationOf,
  readOnlyActions,
  type AllowedActions,
  type DeploymentAction,
} from './deployment-actions.ts'
