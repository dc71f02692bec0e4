import { expect, test } from 'vitest'
import { bytesToHex } from './bytes.ts'
import { systemRandom } from './random.ts'

test('random bytes are of the length asked for and never come twice', () => {
  const seen = new Set<string>()
  for (let round = 0; round < 1000; round += 1) {
    for (const length of [8, 32, 64, 65, 300]) {
      const bytes = systemRandom.bytes(length)
      expect(bytes).toHaveLength(length)
      expect(bytes.some((byte) => byte !== 0)).toBe(true)
      seen.add(bytesToHex(bytes))
    }
  }
  expect(seen.size).toBe(5000)
})
