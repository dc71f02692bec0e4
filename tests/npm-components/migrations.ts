import { expect, it } from 'vitest'
import type { ComponentApp } from './component-app.ts'

type Status = {
  readonly name: string
  readonly state: string
  readonly isDone: boolean
  readonly processed: number
  readonly error?: string
}

/** Tests lean on those before them. */
export function migrationsSuite(app: () => ComponentApp): void {
  const status = async (name: string, holds: (status: Status) => boolean): Promise<Status> => {
    const own = (all: readonly Status[]): Status | undefined => all.find((one) => one.name === `migrations:${name}`)
    const all = await app().queryUntil<readonly Status[]>('migrations:status', {}, (every) => {
      const one = own(every)
      return one !== undefined && holds(one)
    })
    return own(all)!
  }
  const greetings = async (): Promise<(string | null)[]> => await app().query<(string | null)[]>('migrations:greetings')

  it('shows what a batch would do and leaves it undone', async () => {
    await app().cli.succeed('run', 'migrations:addUsers', '{"count":35}')
    const dry = await app().cli.run('run', 'migrations:run', '{"fn":"migrations:greet","dryRun":true}')
    expect(dry.stderr).toContain('Hello, user 9.')
    expect(dry.stderr).not.toContain('Hello, user 10.')
    expect(new Set(await greetings())).toEqual(new Set([null]))
  })

  it('runs a series, each over several batches', async () => {
    await app().cli.succeed('run', 'migrations:runAll')
    expect(await status('shout', ({ isDone }) => isDone)).toMatchObject({ state: 'success', processed: 35 })
    expect(await status('greet', ({ isDone }) => isDone)).toMatchObject({ state: 'success', processed: 35 })
    const all = await greetings()
    expect(all).toHaveLength(35)
    expect(all).toContain('HELLO, USER 34.')
  })

  it('stops at a batch that fails, and goes on from there', async () => {
    await app().mutation('migrations:start', { name: 'stumble' })
    const failed = await status('stumble', ({ state }) => state === 'failed')
    expect(failed).toMatchObject({ processed: 20, isDone: false })
    expect(failed.error).toContain('user 25 is odd')
    const exclaimed = async (): Promise<number> => (await greetings()).filter((text) => text?.endsWith('!')).length
    expect(await exclaimed()).toBe(20)
    await app().cli.succeed('run', 'migrations:mend')
    await app().mutation('migrations:start', { name: 'stumble' })
    await status('stumble', ({ isDone }) => isDone)
    expect(await exclaimed()).toBe(35)
    expect((await greetings()).filter((text) => text?.endsWith('!!'))).toEqual([])
  })

  it('tells the CLI how it went', async () => {
    const { stdout } = await app().cli.succeed('run', '--component', 'migrations', 'lib:getStatus', '{}')
    expect(stdout).toContain('"name": "migrations:stumble"')
  })
}
