import { describe, expect, it } from 'vitest'
import { orderDefinitions } from './definition-order.ts'

function define(
  graph: Readonly<Record<string, readonly string[]>>,
): { definitionPath: string; dependencies: string[] }[] {
  return Object.entries(graph).map(([definitionPath, dependencies]) => ({
    definitionPath,
    dependencies: [...dependencies],
  }))
}

function order(graph: Readonly<Record<string, readonly string[]>>): readonly string[] {
  return orderDefinitions(define(graph)).map(({ definitionPath }) => definitionPath)
}

describe('orderDefinitions', () => {
  it('puts what is mounted before who mounts it, each once', () => {
    expect(order({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] })).toEqual(['d', 'b', 'c', 'a'])
    expect(order({})).toEqual([])
  })

  it.each([
    ['a cycle', { a: ['b'], b: ['c'], c: ['b'] }, 'Found cyclic definition dependency: a -> b -> c -> b'],
    ['one that mounts itself', { a: ['a'] }, 'Found cyclic definition dependency: a -> a'],
    ['one that is not sent', { a: ['b'] }, 'The component definition "b" is not part of this push.'],
    ['one with the path of the app', { '': [] }, 'Two component definitions of this push have the same path.'],
  ])('refuses %s', (_what, graph, text) => {
    expect(() => order(graph)).toThrow(text)
  })

  it('refuses two of one path', () => {
    expect(() => orderDefinitions([...define({ a: [] }), ...define({ a: [] })])).toThrow('have the same path')
  })
})
