/** The WebSocket sync protocol: one session per connection, query set in, transitions out. */
export type * from './backend.ts'
export { SyncServer } from './sync-server.ts'
