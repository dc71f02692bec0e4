/** Secrets that a deployment makes by itself at their first use and keeps: 256 random bits each. */
import { assert, type Random } from '@concave/base'
import type { MetaStore } from '@concave/storage'

const secretBytes = 32

/** `key`: of the record that holds it. Who asks for it first makes it; everybody gets the same. */
export async function loadMetaSecret(meta: MetaStore, key: string, random: Random): Promise<Buffer> {
  let record = await meta.get(key)
  if (record === undefined) {
    await meta.set(key, Buffer.from(random.bytes(secretBytes)).toString('base64'), 0)
    record = await meta.get(key)
  }
  assert(record !== undefined, `the secret ${key} was not kept`)
  return Buffer.from(record.value, 'base64')
}
