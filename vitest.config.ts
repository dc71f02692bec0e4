import { defineConfig } from 'vitest/config'

// `server-only` sources run as they are; nothing is bundled. Two cores: one worker leaves the other to the servers under test.
export default defineConfig({
  test: {
    include: ['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'tests/fixtures/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    execArgv: ['--disable-warning=ExperimentalWarning', '--no-node-snapshot'],
  },
})
