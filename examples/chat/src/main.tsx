import { ConvexProvider, ConvexReactClient } from 'convex/react'
import { createRoot } from 'react-dom/client'
import { Chat } from './Chat'

// `npx convex dev` writes the deployment's address to .env.local, where Vite finds it.
const url: string | undefined = import.meta.env.VITE_CONVEX_URL

createRoot(document.getElementById('app')!).render(
  url === undefined ? (
    <p role="alert">This app has no deployment yet: run “npx convex dev --once”, then start this page again.</p>
  ) : (
    <ConvexProvider client={new ConvexReactClient(url)}>
      <Chat />
    </ConvexProvider>
  ),
)
