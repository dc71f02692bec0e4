import { expect, test } from 'vitest'
import { readNpmEnvironment } from './npm-environment.ts'

test('npm sees its own settings and the network, nothing else of the server', () => {
  const environment = {
    PATH: '/bin',
    https_proxy: 'http://proxy',
    NPM_CONFIG_REGISTRY: 'https://registry.example',
    npm_config_cafile: '/ca.pem',
    NODE_OPTIONS: '--inspect',
    SECRET: 'x',
    unset: undefined,
  }
  expect(Object.keys(readNpmEnvironment(environment))).toEqual([
    'PATH',
    'https_proxy',
    'NPM_CONFIG_REGISTRY',
    'npm_config_cafile',
  ])
})
