/** Test program: appends to the database named by its argument until it is killed, and prints every acknowledged ts. */
import { writeSync } from 'node:fs'
import { PlatformError } from '@concave/base'
import type { Head } from '../storage.ts'
import { SqliteStorage } from './sqlite-storage.ts'

const print = (line: string): void => void writeSync(1, `${line}\n`)

async function main(path: string): Promise<void> {
  const storage = new SqliteStorage({ path })
  let head: Head = await storage.open()
  for (;;) {
    const ts = head.ts + 1n
    const id = new Uint8Array(16)
    new DataView(id.buffer).setBigUint64(8, ts)
    const appended = await storage.append(head, `batch ${ts}`, [
      {
        ts,
        documents: [{ tablet: 1, id, prevTs: null, text: JSON.stringify({ ts: String(ts) }), size: 20 }],
        indexes: [{ index: 1, key: id, tablet: 1, id, present: true }],
        touched: [{ index: 1, key: id }],
        source: 'append-until-killed',
      },
    ])
    head = appended.head
    print(`acknowledged ${head.ts}`)
  }
}

try {
  await main(process.argv[2] ?? '')
} catch (error) {
  print(`refused ${error instanceof PlatformError ? error.code : String(error)}`)
}
