import { beforeEach, describe, expect, test } from 'vitest'
import { ReadMemory } from './read-memory.ts'
import { runnerLimits } from './runner-limits.ts'

const byName = JSON.stringify({ source: { type: 'IndexRange', indexName: 'users.by_name', range: [] } })
const all = JSON.stringify({ source: { type: 'FullTableScan', tableName: 'users' } })
const others = JSON.stringify({ source: { type: 'FullTableScan', tableName: 'rooms' } })
const ann = '{"_creationTime":1.0,"_id":"u1","age":3.0,"name":"Ann"}'
const bob = '{"_creationTime":2.0,"_id":"u2","name":"Bob"}'
const getAnn = '{"id":"u1"}'

let memory: ReadMemory
beforeEach(() => {
  memory = new ReadMemory()
})

describe('what was read', () => {
  test('is answered again: pages by their query, documents by the arguments', () => {
    memory.rememberPage(byName, { rows: [ann, bob], done: true })
    memory.rememberDocument(getAnn, ann)
    expect(memory.findPage(byName)).toEqual({ rows: [ann, bob], done: true })
    expect(memory.findDocument(getAnn)).toBe(ann)
    expect(memory.findPage(all)).toBeUndefined()
    expect(memory.findDocument('{"id":"u2"}')).toBeUndefined()
  })

  test('is replaced by what is read later, for every reading that shows the document', () => {
    memory.rememberDocument(getAnn, ann)
    const renamed = ann.replace('Ann', 'Anna')
    memory.rememberPage(byName, { rows: [renamed], done: false })
    expect(memory.findDocument(getAnn)).toBe(renamed)
    memory.rememberPage(byName, { rows: [], done: true })
    expect(memory.findPage(byName)).toEqual({ rows: [], done: true })
    expect(memory.findDocument(getAnn)).toBe(renamed)
  })

  test('is not kept if it is long, no document, or too much', () => {
    memory.rememberPage(all, { rows: Array.from({ length: 17 }, (_, n) => `{"_id":"u${n}"}`), done: true })
    expect(memory.findPage(all)).toBeUndefined()
    memory.rememberDocument(getAnn, 'null')
    expect(memory.findDocument(getAnn)).toBeUndefined()
    memory.rememberDocument(getAnn, JSON.stringify({ _id: 'u1', text: 'x'.repeat(70_000) }))
    expect(memory.findDocument(getAnn)).toBeUndefined()
    const size = 50_000
    for (let n = 0; n < runnerLimits.rememberedBytes / size + 10; n += 1) {
      memory.rememberDocument(`{"id":"u${n}"}`, JSON.stringify({ _id: `u${n}`, text: 'x'.repeat(size) }))
      memory.findDocument('{"id":"u0"}')
    }
    expect(memory.findDocument('{"id":"u0"}')).toBeDefined()
    expect(memory.findDocument('{"id":"u1"}')).toBeUndefined()
  })
})

describe('writes', () => {
  test('change documents as the database does', () => {
    memory.rememberPage(byName, { rows: [ann], done: true })
    memory.write(
      '1.0/shallowMerge',
      '{"id":"u1","value":{"zip":{"b":[{"d":1,"c":2}],"a":null},"age":{"$undefined":null},"body":{"$bytes":"AA=="}}}',
    )
    expect(memory.findPage(byName)?.rows).toEqual([
      '{"_creationTime":1,"_id":"u1","body":{"$bytes":"AA=="},"name":"Ann","zip":{"a":null,"b":[{"c":2,"d":1}]}}',
    ])
    memory.write('1.0/replace', '{"id":"u1","value":{"name":"Ada"}}')
    expect(memory.findPage(byName)?.rows).toEqual(['{"_creationTime":1,"_id":"u1","name":"Ada"}'])
  })

  test('that delete or insert end what they may have changed', () => {
    memory.rememberPage(byName, { rows: [ann, bob], done: true })
    memory.rememberPage(others, { rows: [], done: true })
    memory.rememberDocument(getAnn, ann)
    memory.write('1.0/remove', '{"id":"u2"}')
    expect(memory.findPage(byName)).toBeUndefined()
    expect(memory.findDocument(getAnn)).toBe(ann)
    memory.rememberPage(byName, { rows: [ann], done: true })
    memory.write('1.0/insert', '{"table":"users","value":{"name":"Cid"}}')
    expect(memory.findPage(byName)).toBeUndefined()
    expect(memory.findPage(others)).toEqual({ rows: [], done: true })
    expect(memory.findDocument(getAnn)).toBe(ann)
  })

  test('of a call that fails never happened', () => {
    memory.rememberPage(byName, { rows: [ann, bob], done: true })
    memory.write('1.0/shallowMerge', '{"id":"u1","value":{"name":"A"}}')
    memory.write('1.0/shallowMerge', '{"id":"u1","value":{"name":"B"}}')
    memory.endCall(1, false)
    expect(memory.findPage(byName)?.rows).toEqual([ann, bob])
    memory.write('1.0/shallowMerge', '{"id":"u1","value":{"name":"C"}}')
    memory.endCall(2, true)
    memory.endCall(3, false)
    expect(memory.findPage(byName)?.rows[0]).toContain('"C"')
  })

  test('of calls that were not taken after all are not known any more', () => {
    memory.rememberPage(byName, { rows: [ann, bob], done: true })
    memory.rememberDocument(getAnn, ann)
    memory.rememberDocument('{"id":"u2"}', bob)
    memory.write('1.0/shallowMerge', '{"id":"u1","value":{"name":"A"}}')
    memory.endCall(1, true)
    memory.endCall(2, true)
    memory.forgetCalls([1, 2, 7])
    expect(memory.findPage(byName)).toBeUndefined()
    expect(memory.findDocument(getAnn)).toBeUndefined()
    expect(memory.findDocument('{"id":"u2"}')).toBe(bob)
  })

  test('of one component are not those of another', () => {
    memory.rememberPage(byName, { rows: [ann], done: true }, 'k1')
    memory.rememberDocument(getAnn, ann)
    expect(memory.findPage(byName)).toBeUndefined()
    expect(memory.findDocument(getAnn, 'k1')).toBeUndefined()
    memory.write('1.0/remove', '{"id":"u1"}')
    expect(memory.findPage(byName, 'k1')?.rows).toEqual([ann])
    expect(memory.findDocument(getAnn)).toBeUndefined()
    memory.write('1.0/insert', '{"table":"users","value":{"name":"Cid"}}', 'k1')
    expect(memory.findPage(byName, 'k1')).toBeUndefined()
  })
})
