/** The sending side of one socket. Order is kept; what is not yet handed to the operating system is bounded. */
import type { Clock, Log } from '@concave/base'
import type { WebSocket } from 'ws'
import * as frames from './frames.ts'
import { syncLimits } from './limits.ts'

export class Outbox {
  readonly #socket: WebSocket
  readonly #clock: Clock
  readonly #log: Log
  readonly #knowsChunks: boolean
  readonly #onRoom: () => void
  #unsentTransitions = 0
  #lastSentMs: number

  constructor(options: {
    readonly socket: WebSocket
    readonly clock: Clock
    readonly log: Log
    /** The client can put `TransitionChunk`s together. */
    readonly knowsChunks: boolean
    /** Called when a transition has left: there may be room for another. */
    readonly onRoom: () => void
  }) {
    this.#socket = options.socket
    this.#clock = options.clock
    this.#log = options.log
    this.#knowsChunks = options.knowsChunks
    this.#onRoom = options.onRoom
    this.#lastSentMs = options.clock.monotonicMs()
  }

  /** On the monotonic clock. */
  get lastSentMs(): number {
    return this.#lastSentMs
  }

  /** While false, changes are to be collected instead of sent. */
  get hasRoomForTransition(): boolean {
    return this.#unsentTransitions < syncLimits.maxUnsentTransitions
  }

  send(text: string, onSent?: () => void): void {
    if (this.#socket.bufferedAmount > syncLimits.maxBufferedBytes) {
      // A close frame would wait behind everything that is not being read.
      this.#log.warn({ bufferedBytes: this.#socket.bufferedAmount }, 'Cut off a client that does not read.')
      this.#socket.terminate()
      return
    }
    this.#lastSentMs = this.#clock.monotonicMs()
    // Said for each message: the threshold of ws holds only without a compression context, which small messages cost most.
    const compress = text.length >= syncLimits.compressFromLength
    this.#socket.send(text, { compress }, (error) => {
      if (error !== undefined && error !== null) this.#log.debug({ err: error }, 'Could not send on a socket.')
      onSent?.()
    })
  }

  /** Parts of one transition go out without anything between them: clients drop the parts otherwise. */
  sendTransition(text: string): void {
    this.#unsentTransitions += 1
    const isCut = this.#knowsChunks && text.length > syncLimits.maxTransitionLength
    const parts = isCut ? [...frames.chunks(text, syncLimits.maxTransitionLength)] : [text]
    const last = parts.length - 1
    for (const [index, part] of parts.entries()) {
      this.send(part, index === last ? () => this.#transitionLeft() : undefined)
    }
  }

  #transitionLeft(): void {
    this.#unsentTransitions -= 1
    this.#onRoom()
  }
}
