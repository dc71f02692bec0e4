import { useConvexConnectionState, useMutation, useQuery } from 'convex/react'
import { ConvexError } from 'convex/values'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { api } from '../convex/_generated/api'

const channel = 'general'

/** One channel. `useQuery` keeps the messages live: whoever sends one, every open window shows it. */
export function Chat() {
  const messages = useQuery(api.messages.list, { channel })
  const send = useMutation(api.messages.send)
  const { isWebSocketConnected } = useConvexConnectionState()
  const [author, setAuthor] = useState('Anonymous')
  const [body, setBody] = useState('')
  const [refusal, setRefusal] = useState<string>()

  const log = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (log.current !== null) log.current.scrollTop = log.current.scrollHeight
  }, [messages])

  async function submit(event: FormEvent) {
    event.preventDefault()
    setBody('')
    setRefusal(undefined)
    try {
      await send({ channel, author, body })
    } catch (error) {
      // The data of a ConvexError is for the user: here it is a sentence. The text goes back to be corrected.
      setRefusal(error instanceof ConvexError ? String(error.data) : 'The message could not be sent.')
      setBody(body)
    }
  }

  return (
    <main>
      <header>
        <h1>Chat</h1>
        <span role="status">{isWebSocketConnected ? 'Live' : 'Connecting…'}</span>
      </header>
      <div role="log" aria-label="Messages" aria-busy={messages === undefined} tabIndex={0} ref={log}>
        {messages?.length === 0 && <p className="empty">Nobody has written anything yet.</p>}
        <ol>
          {messages?.map((message) => (
            <li key={message._id}>
              <strong>{message.author}</strong>
              <time dateTime={new Date(message._creationTime).toISOString()}>
                {new Date(message._creationTime).toLocaleTimeString()}
              </time>
              <p>{message.body}</p>
            </li>
          ))}
        </ol>
      </div>
      {refusal !== undefined && <p role="alert">{refusal}</p>}
      <form onSubmit={submit}>
        <label>
          Your name
          <input value={author} onChange={(event) => setAuthor(event.target.value)} required />
        </label>
        <label>
          Message
          <input value={body} onChange={(event) => setBody(event.target.value)} autoComplete="off" required autoFocus />
        </label>
        <button>Send</button>
      </form>
    </main>
  )
}
