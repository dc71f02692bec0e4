/**
 * The command in the shape of `convex-local-backend`: serves one deployment, and makes its admin keys. Flags that are not
 * valid end it with code 2, everything else that goes wrong with 1.
 */
import { createLog, PlatformError, systemClock, systemRandom } from '@concave/base'
import { Command, Option } from 'commander'
import { InstanceKeys } from './instance-keys.ts'
import { defaultDatabasePath, localBackendOptions, parseLocalBackendConfig, readInstance } from './options.ts'

const usageExitCode = 2
const usageCodes: readonly string[] = ['InvalidOption', 'InsecureInstanceSecret']

const program = new Command('convex-local-backend')
  .description('Serves one deployment from one database file, without a control plane.')
  .argument('[database]', 'Path of the database. Created if missing.', defaultDatabasePath)
  .enablePositionalOptions()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : usageExitCode))
for (const [name, { help, default: fallback }] of Object.entries(localBackendOptions)) {
  // The default of the secret is public, and still nothing to print.
  const shown = fallback === undefined || name === 'instance-secret' ? '' : ` (default: ${fallback})`
  program.addOption(new Option(`--${name} <value>`, `${help}${shown}`))
}
program.action(async (databasePath: string, flags: Record<string, unknown>) => {
  const config = parseLocalBackendConfig(flags, databasePath)
  const stopped = new Promise<undefined>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve(undefined))
  })
  // Loaded now: help and keys are asked for often, and need none of it.
  const { startLocalBackend } = await import('./local-backend.ts')
  await using backend = await startLocalBackend(config, createLog({ level: 'warn' }))
  console.log(`Deployment ${config.instance.name} is at ${config.url}, its HTTP actions at ${config.siteUrl}.`)
  const failure = await Promise.race([stopped, backend.failed])
  if (failure !== undefined) throw failure
})

program
  .command('keygen')
  .description('Make keys. No server is needed, and none learns of them.')
  .command('admin-key')
  .description('Print an admin key of a deployment. It is valid for as long as the instance secret is.')
  .addOption(new Option('--instance-name <value>', localBackendOptions['instance-name'].help).makeOptionMandatory())
  .addOption(new Option('--instance-secret <value>', localBackendOptions['instance-secret'].help).makeOptionMandatory())
  .action((flags: Record<string, unknown>) => {
    console.log(new InstanceKeys(readInstance(flags)).create({ clock: systemClock, random: systemRandom }))
  })

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof PlatformError)) throw error
  const reason = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  console.error(`${error.code}: ${error.message}${reason}`)
  process.exitCode = usageCodes.includes(error.code) ? usageExitCode : 1
}
