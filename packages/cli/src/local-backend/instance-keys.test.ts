import { systemClock, systemRandom } from '@concave/base'
import { describe, expect, test } from 'vitest'
import { InstanceKeys } from './instance-keys.ts'
import { developmentSecret } from './options.ts'

const instance = { name: 'carnitas', secret: developmentSecret }
const keys = new InstanceKeys(instance)
// management-api.md §3.3.
const legacy =
  '0135d8598650f8f5cb0f30c34ec2e2bb62793bc28717c8eb6fb577996d50be5f4281b59181095065c5d0f86a2c31ddbe9b597ec62b47ded69782cd'
const current = '01000102030405060708090a0b1e5c06d46516f3f5fa3e99f5af81a957a2adc6f04983839e'

describe('an admin key is taken', () => {
  test.each([
    ['of the present form', `carnitas|${current}`],
    ['with a type in front of its name', `dev:carnitas|${current}`],
    ['of the older form', `carnitas|${legacy}`],
    ['of the oldest form, which holds its name', legacy],
    ['that was just made', keys.create({ clock: systemClock, random: systemRandom })],
  ])('%s', async (_what, key) => {
    expect(await keys.verify(key)).toEqual({ kind: 'ok', keyId: 'instance', isReadOnly: false, allowedActions: 'all' })
  })
})

describe('a key is not taken', () => {
  const flipped = `${current.slice(0, -1)}${current.endsWith('e') ? 'f' : 'e'}`
  test.each([
    ['that is empty', '', 'unknown'],
    ['that is a name only', 'carnitas|', 'unknown'],
    ['that has no name', current, 'unknown'],
    ['that was changed at its end', `carnitas|${flipped}`, 'unknown'],
    ['that was cut', `carnitas|${current.slice(0, -2)}`, 'unknown'],
    ['that is short', 'carnitas|0100', 'unknown'],
    ['of another version', `carnitas|02${current.slice(2)}`, 'unknown'],
    ['that is no hexadecimal text', `carnitas|${current}zz`, 'unknown'],
    ['that is oversized', `carnitas|01${'00'.repeat(100_000)}`, 'unknown'],
    ['with another name in front', `other|${current}`, 'otherDeployment'],
    ['with another name in front than inside', `other|${legacy}`, 'otherDeployment'],
  ] as const)('%s', async (_what, key, kind) => {
    expect(await keys.verify(key)).toEqual({ kind })
  })

  test('that another secret made', async () => {
    const others = new InstanceKeys({ ...instance, secret: '00'.repeat(32) })
    expect(await others.verify(`carnitas|${current}`)).toEqual({ kind: 'unknown' })
    expect(await others.verify(legacy)).toEqual({ kind: 'unknown' })
  })

  test('wherever one of its digits is changed', async () => {
    for (let place = 2; place < current.length; place += 1) {
      const digit = current[place] === '0' ? '1' : '0'
      const changed = `carnitas|${current.slice(0, place)}${digit}${current.slice(place + 1)}`
      expect(await keys.verify(changed)).toEqual({ kind: 'unknown' })
    }
  })
})

test.each(['', 'abc', 'zz'.repeat(32), '00'.repeat(31)])('the secret %j is refused', (secret) => {
  expect(() => new InstanceKeys({ name: 'carnitas', secret })).toThrow('--instance-secret must be 32 bytes')
})
