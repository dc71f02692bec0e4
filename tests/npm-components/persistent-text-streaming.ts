import { expect, it } from 'vitest'
import type { ComponentApp } from './component-app.ts'

type Body = { readonly status: string; readonly text: string }

export function persistentTextStreamingSuite(app: () => ComponentApp): void {
  const create = async (): Promise<string> => await app().mutation<string>('chats:create', { prompt: 'a story' })
  const drive = async (stream: string, fails = false): Promise<Response> =>
    await fetch(`${app().siteUrl}/chat-stream`, { method: 'POST', body: JSON.stringify({ stream, fails }) })

  it('sends text to who drives the stream while others read it from the database', async () => {
    const stream = await create()
    expect(await app().query('chats:body', { stream })).toEqual({ status: 'pending', text: '' })
    const response = await drive(stream)
    expect(response.status).toBe(200)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    const first = await reader.read()
    expect(first.value).toBe('Once upon a time. ')
    await app().queryUntil<Body>('chats:body', { stream }, ({ text }) => text === 'Once upon a time. ')
    expect(await app().query('chats:body', { stream })).toMatchObject({ status: 'streaming' })
    // The writer waits for this, so what came before did not wait for the end.
    await app().mutation('chats:goOn', { stream })
    let rest = ''
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) rest += piece.value
    expect(rest).toBe('There was an end.')
    expect(await app().query('chats:body', { stream })).toEqual({
      status: 'done',
      text: 'Once upon a time. There was an end.',
    })
    expect((await drive(stream)).status).toBe(205)
  })

  it('records that a writer failed, with what it had written', async () => {
    const stream = await create()
    await app().mutation('chats:goOn', { stream })
    const response = await drive(stream, true)
    expect(await response.text()).toBe('Once upon a time. ')
    await app().queryUntil<Body>('chats:body', { stream }, ({ status }) => status === 'error')
  })
}
