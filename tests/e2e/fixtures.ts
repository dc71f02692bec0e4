import { join } from 'node:path'
import { repositoryRoot } from '@concave/testing'

/** Apps that tests push: folders of `tests/fixtures`. */
type FixtureName =
  | 'actions'
  | 'auth'
  | 'clockwork'
  | 'component-services'
  | 'components'
  | 'contexts'
  | 'durable'
  | 'files'
  | 'hostile'
  | 'misbehaving'
  | 'newest'
  | 'node-actions'
  | 'search'
  | 'shop'
  | 'stateful'

export function fixtureFolder(name: FixtureName): string {
  return join(repositoryRoot, 'tests/fixtures', name)
}

export function exampleFolder(name: 'chat'): string {
  return join(repositoryRoot, 'examples', name)
}

/** The functions that are measured. */
export function benchFolder(): string {
  return join(repositoryRoot, 'bench/app')
}
