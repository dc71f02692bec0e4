import { expect, it } from 'vitest'
import { checkReference } from './references.ts'
import { checkSlug, firstFree, slugify } from './slugs.ts'

it.each([
  ['My Shop', 'my-shop'],
  ['  Hello, World!  ', 'hello-world'],
  ['Café', 'cafe'],
  ['a', 'project-a'],
  ['购物', 'project'],
  ['', 'project'],
  ['x'.repeat(100), 'x'.repeat(64)],
])('makes of %j the slug %s', (name, slug) => {
  expect(slugify(name, 'project')).toBe(slug)
  checkSlug(slugify(name, 'project'))
})

it.each(['ab', 'x'.repeat(65), 'a b c', 'straße', ''])('refuses the slug %j', (slug) => {
  expect(() => checkSlug(slug)).toThrow(expect.objectContaining({ code: 'InvalidSlug', status: 400 }))
})

it('numbers what is taken, within the limit of length', async () => {
  const taken = new Set(['shop', 'shop-2'])
  expect(await firstFree('shop', 64, async (slug) => taken.has(slug))).toBe('shop-3')
  expect(await firstFree('abcdef', 6, async (slug) => slug === 'abcdef')).toBe('abcd-2')
})

it.each(['dev/james', 'staging', 'a-1', 'feature/long-name-2'])('accepts the reference %j', (reference) => {
  expect(() => checkReference(reference)).not.toThrow()
})

it.each(['ab', 'x'.repeat(101), 'Dev', 'a b', 'prod', 'preview', 'local-1', 'happy-otter-1'])(
  'refuses the reference %j',
  (reference) => {
    expect(() => checkReference(reference)).toThrow(expect.objectContaining({ code: 'InvalidReference' }))
  },
)
