import { describe, expect, test } from 'vitest'
import { clientMessageSchema } from './sync-messages.ts'

const sessionId = '7d9a3c4e-52b8-4f0e-9b1a-0c6a5f1e2d3b'

describe('a client message', () => {
  test.each([
    [
      'Connect of a browser',
      { type: 'Connect', sessionId, connectionCount: 0, lastCloseReason: 'InitialConnect', clientTs: 1.5 },
    ],
    ['Connect after a restart', { type: 'Connect', sessionId, connectionCount: 3, lastCloseReason: null, clientTs: 0 }],
    ['Connect without a reason', { type: 'Connect', sessionId, connectionCount: 1 }],
    ['an empty query set', { type: 'ModifyQuerySet', baseVersion: 0, newVersion: 1, modifications: [] }],
    [
      'an Add with journal',
      {
        type: 'ModifyQuerySet',
        baseVersion: 1,
        newVersion: 2,
        modifications: [
          { type: 'Add', queryId: 0, udfPath: 'a:b', args: [{ $x: 1 }], journal: null, componentPath: '' },
          { type: 'Remove', queryId: 1 },
        ],
      },
    ],
    ['a mutation', { type: 'Mutation', requestId: 4_294_967_295, udfPath: 'a:b', args: [{}] }],
    [
      'an admin acting as a user',
      { type: 'Authenticate', baseVersion: 0, tokenType: 'Admin', value: 'k', impersonating: { tokenIdentifier: 't' } },
    ],
    [
      'an older admin',
      { type: 'Authenticate', baseVersion: 0, tokenType: 'Admin', value: 'k', acting_as: { tokenIdentifier: 't' } },
    ],
    ['an event', { type: 'Event', eventType: 'ClientConnect', event: [{ name: 'x', startTime: 1 }] }],
  ])('%s is read as it is', (_name, message) => {
    expect(clientMessageSchema.parse(message)).toEqual(message)
  })

  test('has its timestamp decoded', () => {
    const message = { type: 'Connect', sessionId, connectionCount: 1, maxObservedTimestamp: 'AgEAAAAAAAA=' }
    expect(clientMessageSchema.parse(message)).toMatchObject({ maxObservedTimestamp: 258n })
  })

  test.each([
    ['an unknown type', { type: 'Hello' }],
    ['no session id', { type: 'Connect', connectionCount: 0 }],
    ['a bad timestamp', { type: 'Connect', sessionId, connectionCount: 0, maxObservedTimestamp: 'x' }],
    ['a negative id', { type: 'Mutation', requestId: -1, udfPath: 'a', args: [{}] }],
    ['an id that is no u32', { type: 'Mutation', requestId: 4_294_967_296, udfPath: 'a', args: [{}] }],
    ['args that are no list', { type: 'Mutation', requestId: 0, udfPath: 'a', args: {} }],
    ['an unknown token type', { type: 'Authenticate', baseVersion: 0, tokenType: 'Magic' }],
    [
      'an unknown modification',
      { type: 'ModifyQuerySet', baseVersion: 0, newVersion: 1, modifications: [{ type: 'Move', queryId: 1 }] },
    ],
    ['text', 'Connect'],
  ])('with %s is refused', (_name, message) => {
    expect(clientMessageSchema.safeParse(message).success).toBe(false)
  })
})
