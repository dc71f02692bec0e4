import type { CounterName } from './records.ts'
import type { Writer } from './store.ts'

/** The next number of a kind of record, from 1, never used before. */
export async function nextId(tables: Writer, name: CounterName): Promise<number> {
  const counter = await tables.counters.find('byName', [name])
  const next = (counter?.last ?? 0) + 1
  if (counter === undefined) await tables.counters.insert({ name, last: next })
  else await tables.counters.patch(counter._id, { last: next })
  return next
}
