import { expect, it } from 'vitest'
import type { ComponentApp } from './component-app.ts'

export function cronsSuite(app: () => ComponentApp): void {
  it('runs a job that was registered at run time until it is deleted', async () => {
    const subject = 'ticks'
    const schedule = { kind: 'interval', ms: 1000 }
    await app().mutation('dynamicCrons:register', { name: 'ticker', schedule, subject })
    expect(await app().query('dynamicCrons:get', { name: 'ticker' })).toEqual({ subject, what: 'tick' })
    await app().queryUntil<unknown[]>('events:list', { subject }, ({ length }) => length >= 2)
    await app().mutation('dynamicCrons:remove', { name: 'ticker' })
    expect(await app().query('dynamicCrons:get', { name: 'ticker' })).toBe(null)
    const { stdout } = await app().cli.succeed('data', '--component', 'crons', 'crons')
    expect(stdout).not.toContain('ticker')
  })

  it('lists jobs with their schedules, those of cron expressions too', async () => {
    const schedule = { kind: 'cron', cronspec: '0 4 * * *', tz: 'Europe/Rome' }
    await app().mutation('dynamicCrons:register', { name: 'nightly', schedule, subject: 'nights' })
    expect(await app().query('dynamicCrons:list')).toContainEqual({ name: 'nightly', schedule })
    const again = app().mutation('dynamicCrons:register', { name: 'nightly', schedule, subject: 'nights' })
    await expect(again).rejects.toThrow('already exists')
    await app().mutation('dynamicCrons:remove', { name: 'nightly' })
    expect(await app().query('dynamicCrons:list')).not.toContainEqual({ name: 'nightly', schedule })
  })

  it('refuses a schedule that is none', async () => {
    const schedule = { kind: 'cron', cronspec: 'whenever' }
    const registered = app().mutation('dynamicCrons:register', { schedule, subject: 'never' })
    await expect(registered).rejects.toThrow('Invalid cronspec')
  })
}
