import { assert, createDeferred, createLog, systemRandom } from '@concave/base'
import { MemoryStorage } from '@concave/storage'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AccessTokens, type NewAccessToken } from './access-tokens.ts'
import { ManualClock } from './control-plane-fixture.ts'
import { openDatabaseStore } from './database-store.ts'
import { Secrets } from './secrets.ts'
import type { OpenStore, Store } from './store.ts'

const clock = new ManualClock()
let open: OpenStore
beforeEach(async () => {
  const log = createLog({ level: 'silent' })
  open = await openDatabaseStore({ storage: new MemoryStorage(), clock, random: systemRandom, log })
})
afterEach(async () => {
  await open.close()
})

function createTokens(store: Store = open.store): AccessTokens {
  const secrets = new Secrets({ random: systemRandom, pepper: new Uint8Array(32).fill(1) })
  return new AccessTokens({ store, clock, secrets })
}

async function issue(tokens: AccessTokens, request: Omit<NewAccessToken, 'name' | 'memberId'>) {
  const secret = tokens.createSecret()
  const token = await open.store.mutate('test', (tables) =>
    tokens.issue(tables, secret, { name: 'test', memberId: 1, ...request }),
  )
  return { text: secret.text, id: token.id }
}

async function revoke(tokens: AccessTokens, id: number): Promise<void> {
  const revoked = await open.store.mutate('test', async (tables) => {
    const token = await tables.accessTokens.find('byNumber', [id])
    assert(token !== undefined, 'It was issued.')
    return await tokens.revoke(tables, [token])
  })
  tokens.announce(revoked)
}

it('revokes with a token what was minted from it, and nothing else', async () => {
  const tokens = createTokens()
  const parent = await issue(tokens, { kind: 'personal' })
  const other = await issue(tokens, { kind: 'personal' })
  const session = await issue(tokens, { kind: 'session', deploymentName: 'a-b-1', parentId: parent.id })
  const changes: (readonly number[])[] = []
  tokens.onKeysChanged(({ keyIds }) => changes.push(keyIds))
  for (const { text } of [parent, other, session]) expect((await tokens.recognise(text)).kind).toBe('known')
  await revoke(tokens, parent.id)
  expect(changes).toEqual([[parent.id, session.id]])
  expect((await tokens.recognise(parent.text)).kind).toBe('unknown')
  expect((await tokens.recognise(session.text)).kind).toBe('unknown')
  expect((await tokens.recognise(other.text)).kind).toBe('known')
})

it('does not remember a token whose lookup a revocation overtook', async () => {
  const found = createDeferred<void>()
  const mayAnswer = createDeferred<void>()
  const slow: Store = {
    mutate: async (source, run) => await open.store.mutate(source, run),
    read: async (run) => {
      const result = await open.store.read(run)
      found.resolve()
      await mayAnswer.promise
      return result
    },
  }
  const tokens = createTokens(slow)
  const { text, id } = await issue(tokens, { kind: 'personal' })
  const overtaken = tokens.recognise(text)
  await found.promise
  await revoke(tokens, id)
  mayAnswer.resolve()
  await overtaken
  expect((await tokens.recognise(text)).kind).toBe('unknown')
})

it('numbers tokens in sequence and never again', async () => {
  const tokens = createTokens()
  const first = await issue(tokens, { kind: 'personal' })
  await revoke(tokens, first.id)
  const second = await issue(tokens, { kind: 'personal' })
  expect([first.id, second.id]).toEqual([1, 2])
})
