export function requestFromConvexJson(_args: unknown): unknown {
  throw new Error('not yet')
}
export function responseToConvexJson(_response: unknown): unknown {
  throw new Error('not yet')
}
