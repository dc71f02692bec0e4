import { Unauthenticated } from '@concave/base'
import { readOnlyActions } from '@concave/protocol'
import { expect, test } from 'vitest'
import { Access, type AdminIdentity, requireWrite } from './access.ts'

const badKeyMessage =
  "The provided deploy key was invalid for deployment 'my-deployment'. " +
  'Double check that the environment this key was generated for matches the desired deployment.'

const seen: string[] = []
const access = new Access({
  deploymentName: 'my-deployment',
  verifyUserToken: async (token) => {
    if (token !== 'jwt') throw new Unauthenticated('InvalidAuthHeader', 'Could not read the token.')
    return { kind: 'user', attributes: { tokenIdentifier: 'i|s' }, expiresAtMs: undefined }
  },
  keys: {
    verify: async (presented) => {
      seen.push(presented)
      if (presented.endsWith('good')) return { kind: 'ok', keyId: '7', isReadOnly: false, allowedActions: 'all' }
      if (presented.endsWith('reader'))
        return { kind: 'ok', keyId: '8', isReadOnly: true, allowedActions: readOnlyActions }
      return { kind: presented.endsWith('other') ? 'otherDeployment' : 'unknown' }
    },
  },
})
const encode = (identity: unknown) => Buffer.from(JSON.stringify(identity)).toString('base64')

test('takes the key with or without its prefix, and the scheme in any case', async () => {
  for (const header of ['Convex good', 'convex dev:happy-otter-1|good', 'CONVEX prod:x-y-1|good']) {
    expect(await access.identify(header)).toEqual({
      kind: 'admin',
      keyId: '7',
      isReadOnly: false,
      allowedActions: 'all',
      actingAs: undefined,
    })
  }
  expect(seen).toEqual(['good', 'dev:happy-otter-1|good', 'prod:x-y-1|good'])
})

test('reads the user to act as from behind the key', async () => {
  const header = `Convex dev:happy-otter-1|good:${encode({ issuer: 'https://a', subject: 's', role: 'x' })}`
  expect(await access.identify(header)).toMatchObject({
    actingAs: { tokenIdentifier: 'https://a|s', issuer: 'https://a', subject: 's', role: 'x' },
  })
  await expect(access.identify('Convex good:%%%')).rejects.toMatchObject({ status: 400, code: 'HeaderParseFailure' })
  await expect(access.identify(`Convex good:${encode({ subject: 's' })}`)).rejects.toMatchObject({
    code: 'HeaderParseFailure',
  })
})

test('a read-only key cannot act as a user', async () => {
  const actingAs = { issuer: 'https://a', subject: 's' }
  const refused = { status: 403, code: 'OperationNotPermitted' }
  await expect(access.identify(`Convex reader:${encode(actingAs)}`)).rejects.toMatchObject(refused)
  await expect(access.authenticate({ kind: 'admin', key: 'reader', actingAs })).rejects.toMatchObject(refused)
})

test('a caller without a header is anonymous where functions are called, and refused where admins are', async () => {
  expect(await access.identify(undefined)).toEqual({ kind: 'anonymous' })
  await expect(access.requireAdmin(undefined)).rejects.toMatchObject({
    status: 401,
    code: 'BadDeployKey',
    message: badKeyMessage,
  })
  await expect(access.requireAdmin('Bearer x')).rejects.toMatchObject({ status: 401, code: 'BadDeployKey' })
})

test("an unknown key is 401, another deployment's 403, both BadDeployKey", async () => {
  const refused = { code: 'BadDeployKey', message: badKeyMessage }
  await expect(access.requireAdmin('Convex bad')).rejects.toMatchObject({ status: 401, ...refused })
  await expect(access.requireAdmin('Convex other')).rejects.toMatchObject({ status: 403, ...refused })
  await expect(access.requireAdmin('Convex good', 'other')).rejects.toMatchObject({ status: 403, ...refused })
})

test('a bearer token makes a user, on HTTP and on the socket', async () => {
  const user = { kind: 'user', attributes: { tokenIdentifier: 'i|s' } }
  expect(await access.identify('Bearer jwt')).toMatchObject(user)
  expect(await access.identify('bearer  jwt ')).toMatchObject(user)
  expect(await access.authenticate({ kind: 'user', token: 'jwt' })).toMatchObject(user)
  await expect(access.identify('Bearer')).rejects.toMatchObject({ status: 401, code: 'InvalidAuthHeader' })
})

test('other schemes get a code that says what to do', async () => {
  await expect(access.identify('Basic abc')).rejects.toMatchObject({ status: 400, code: 'InvalidHeaderFailure' })
})

test('a read-only key cannot write', async () => {
  const reader: AdminIdentity = await access.requireAdmin('Convex reader')
  expect(() => requireWrite(reader, 'ReadOnlyAdminKey')).toThrow(
    'You do not have permission to perform this operation.',
  )
  expect(() => requireWrite({ ...reader, isReadOnly: false }, 'ReadOnlyAdminKey')).not.toThrow()
})
