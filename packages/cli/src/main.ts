/** The operator's command. `serve` runs the platform; the others act on its data directory. */
import { homedir } from 'node:os'
import { PlatformError } from '@concave/base'
import { Command } from 'commander'
import { createAdminKey } from './admin-key.ts'
import { installLocalBackend, localBackendVersion } from './local-backend/install.ts'
import { serveOptions } from './options.ts'
import { createPersonalToken } from './personal-token.ts'
import { runServe } from './serve.ts'

const program = new Command('concave').description('A self-hosted platform for Convex apps.')

const serve = program.command('serve').description('Run the platform (this is what `npm start` does).')
for (const [name, option] of Object.entries(serveOptions)) {
  const fallback = option.default === undefined ? '' : ` (default: ${option.default})`
  serve.option(`--${name} <value>`, `${option.help}${fallback}`)
}
serve.action(async (flags: Record<string, unknown>) => await runServe(flags))

program
  .command('admin-key')
  .description("Keys to a deployment's whole API, for the CLI's self-hosted mode.")
  .command('create')
  .argument('<deployment>', 'Name of the deployment, e.g. happy-otter-123.')
  .option('--read-only', 'A key that can look but not change anything.', false)
  .option('--data <dir>', `${serveOptions.data.help} (default: ${serveOptions.data.default})`)
  .description('Create a key and print it. It is shown once.')
  .action(async (deployment: string, flags: { readOnly: boolean; data?: string }) => {
    console.log(await createAdminKey({ deployment, isReadOnly: flags.readOnly, dataDir: flags.data }))
  })

program
  .command('personal-token')
  .description('Personal access tokens: a member, everywhere that the member has rights.')
  .command('create')
  .option('--member <number>', 'Number of the member. 1 is the owner of the first team.', '1')
  .option('--name <name>', 'By which people recognise the token.', 'Made by the operator')
  .option('--data <dir>', `${serveOptions.data.help} (default: ${serveOptions.data.default})`)
  .description('Create a token and print it. It is shown once.')
  .action(async (flags: { member: string; name: string; data?: string }) => {
    console.log(await createPersonalToken({ member: flags.member, tokenName: flags.name, dataDir: flags.data }))
  })

program
  .command('local-backend')
  .description('The local backend of the `convex` command line: one deployment per app folder, no control plane.')
  .command('install')
  .option('--project <dir>', 'Also set up the local deployment of the app in this folder, with a secret of its own.')
  .option('--for <team:project>', 'Slugs: the local deployment is of a project of a control plane. With --project.')
  .option('--as <version>', 'Version by which the command line knows it.', localBackendVersion)
  .description("Lay it into the command line's cache of backends.")
  .action(async (flags: { project?: string; for?: string; as: string }) => {
    const provisionHost = process.env['CONVEX_PROVISION_HOST']
    const options = {
      projectDir: flags.project,
      forProject: flags.for,
      version: flags.as,
      home: homedir(),
      provisionHost,
    }
    console.log(await installLocalBackend(options))
  })

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof PlatformError)) throw error
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = 1
}
