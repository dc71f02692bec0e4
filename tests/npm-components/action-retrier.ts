import { expect, it } from 'vitest'
import type { ComponentApp } from './component-app.ts'

type Status = { readonly type: string; readonly result?: { readonly type: string } }

export function actionRetrierSuite(app: () => ComponentApp): void {
  const completed = async (runId: string): Promise<unknown> => {
    await app().queryUntil<Status>('retries:status', { runId }, ({ type }) => type === 'completed')
    const events = await app().queryUntil<unknown[]>('events:list', { subject: runId }, ({ length }) => length > 0)
    expect(events).toHaveLength(1)
    return events[0]
  }
  const attempts = async (subject: string): Promise<unknown[]> =>
    await app().query<unknown[]>('events:list', { subject })

  it('runs an action again until it succeeds', async () => {
    const subject = 'retry success'
    const runId = await app().mutation<string>('retries:start', { subject, failures: 2 })
    expect(await completed(runId)).toEqual({ type: 'success', returnValue: 'attempt 3' })
    expect(await attempts(subject)).toHaveLength(3)
  })

  it('gives up after so many failures', async () => {
    const subject = 'retry failure'
    const runId = await app().mutation<string>('retries:start', { subject, failures: 99 })
    const result = (await completed(runId)) as { type: string; error: string }
    expect(result.type).toBe('failed')
    expect(result.error).toContain('failure 4')
    expect(await attempts(subject)).toHaveLength(4)
  })

  it('cancels a run that has not begun, and forgets runs', async () => {
    const subject = 'retry cancel'
    const runId = await app().mutation<string>('retries:start', { subject, failures: 0, runAfterMs: 3_600_000 })
    expect(await app().query('retries:status', { runId })).toEqual({ type: 'inProgress' })
    await app().mutation('retries:cancel', { runId })
    expect(await completed(runId)).toEqual({ type: 'canceled' })
    expect(await attempts(subject)).toEqual([])
    await app().mutation('retries:cleanup', { runId })
    await expect(app().query('retries:status', { runId })).rejects.toThrow('not found')
  })
}
