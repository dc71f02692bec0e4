import { ConvexClient } from 'convex/browser'
import { anyApi } from 'convex/server'
import { expect, it, vi } from 'vitest'
import type { ComponentApp } from './component-app.ts'

type Tokens = { readonly roomToken: string; readonly sessionToken: string }
type Member = { readonly userId: string; readonly online: boolean; readonly data?: unknown }

const lasting = 60_000

export function presenceSuite(app: () => ComponentApp): void {
  const heartbeat = async (roomId: string, userId: string, sessionId: string, interval = lasting): Promise<Tokens> =>
    await app().mutation<Tokens>('presence:heartbeat', { roomId, userId, sessionId, interval })
  const online = (members: readonly Member[]): string[] =>
    members
      .filter((member) => member.online)
      .map(({ userId }) => userId)
      .sort()

  it('says who is in a room, for as long as one of their sessions is', async () => {
    const { roomToken, sessionToken } = await heartbeat('hall', 'ann', 'first')
    const second = await heartbeat('hall', 'ann', 'second')
    await heartbeat('hall', 'bob', 'only')
    expect(online(await app().query('presence:list', { roomToken }))).toEqual(['ann', 'bob'])
    await app().mutation('presence:disconnect', { sessionToken })
    expect(online(await app().query('presence:list', { roomToken }))).toEqual(['ann', 'bob'])
    await app().mutation('presence:disconnect', { sessionToken: second.sessionToken })
    expect(online(await app().query('presence:list', { roomToken }))).toEqual(['bob'])
    expect(await app().query('presence:rooms', { userId: 'bob' })).toMatchObject([{ roomId: 'hall', online: true }])
    expect(await app().query('presence:rooms', { userId: 'ann' })).toEqual([])
  })

  it('tells who watches that someone came, what they say, and that their heart stopped', async () => {
    const { roomToken } = await heartbeat('watched', 'ann', 'stays')
    const client = new ConvexClient(app().url)
    const seen: string[][] = []
    let members: readonly Member[] = []
    const stop = client.onUpdate(anyApi['presence']!['list']!, { roomToken }, (value: readonly Member[]) => {
      members = value
      seen.push(online(value))
    })
    await vi.waitFor(() => expect(seen.at(-1)).toEqual(['ann']), { timeout: 10_000 })
    await heartbeat('watched', 'bob', 'leaves', 500)
    await vi.waitFor(() => expect(seen).toContainEqual(['ann', 'bob']), { timeout: 10_000 })
    await app().mutation('presence:setData', { roomId: 'watched', userId: 'ann', data: { mood: 'fine' } })
    await vi.waitFor(() => expect(members).toContainEqual(expect.objectContaining({ data: { mood: 'fine' } })), {
      timeout: 10_000,
    })
    await vi.waitFor(() => expect(seen.at(-1)).toEqual(['ann']), { timeout: 20_000 })
    stop()
    await client.close()
  })
}
