import { systemRandom } from '@concave/base'
import { expect, it } from 'vitest'
import { createDeploymentName, deploymentNamePattern } from './deployment-names.ts'
import { checkReference } from './references.ts'

it('makes names that the command line takes for names, never for references', () => {
  const names = new Set<string>()
  for (let round = 0; round < 2000; round++) {
    const name = createDeploymentName(systemRandom)
    expect(name).toMatch(deploymentNamePattern)
    expect(name).not.toMatch(/^(local|anonymous)-/)
    expect(() => checkReference(name)).toThrow('must not look like the name of a deployment')
    names.add(name)
  }
  expect(names.size).toBeGreaterThan(1900)
})
