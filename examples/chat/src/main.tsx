import { ConvexProvider, ConvexReactClient, useMutation, useQuery } from 'convex/react'
import { type FormEvent, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { api } from '../convex/_generated/api'

const convex = new ConvexReactClient(import.meta.env.VITE_CONVEX_URL)

function Chat() {
  const messages = useQuery(api.messages.list, { channel: 'general' })
  const send = useMutation(api.messages.send)
  const [author, setAuthor] = useState('Anonymous')
  const [body, setBody] = useState('')

  async function submit(event: FormEvent) {
    event.preventDefault()
    await send({ channel: 'general', author, body })
    setBody('')
  }

  return (
    <main>
      <h1>Chat</h1>
      {messages === undefined ? (
        <p>Connecting…</p>
      ) : (
        <ol aria-label="Messages">
          {messages.map((message) => (
            <li key={message._id}>
              <strong>{message.author}</strong>: {message.body}
            </li>
          ))}
        </ol>
      )}
      <form onSubmit={submit}>
        <input aria-label="Your name" value={author} onChange={(event) => setAuthor(event.target.value)} size={12} />
        <input aria-label="Message" name="body" value={body} onChange={(event) => setBody(event.target.value)} />
        <button disabled={body === ''}>Send</button>
      </form>
    </main>
  )
}

createRoot(document.getElementById('app')!).render(
  <ConvexProvider client={convex}>
    <Chat />
  </ConvexProvider>,
)
