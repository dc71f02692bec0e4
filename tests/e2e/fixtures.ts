import { join } from 'node:path'
import { repositoryRoot } from '@concave/testing'

/** Apps that tests push: folders of `tests/fixtures`, or of `examples`. */
export function fixtureFolder(
  name:
    | 'shop'
    | 'stateful'
    | 'hostile'
    | 'misbehaving'
    | 'auth'
    | 'files'
    | 'durable'
    | 'actions'
    | 'clockwork'
    | 'search',
): string {
  return join(repositoryRoot, 'tests/fixtures', name)
}

export function exampleFolder(name: 'chat'): string {
  return join(repositoryRoot, 'examples', name)
}

/** The functions that are measured. */
export function benchFolder(): string {
  return join(repositoryRoot, 'bench/app')
}
