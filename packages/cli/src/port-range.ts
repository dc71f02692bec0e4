/** Pairs of listening ports for deployments: the first for the API, the second for the site. */
import { AlreadyExists, Overloaded } from '@concave/base'
import { type NodeHandler, type RunningServer, startServer, type UpgradeHandler } from '@concave/http'

export type PortPair = { readonly api: number; readonly site: number }

export type PairHandlers = {
  readonly api: NodeHandler
  readonly site: NodeHandler
  readonly onUpgrade: UpgradeHandler
}

export type ListeningPair = { readonly ports: PortPair; close(): Promise<void> }

export class PortRange {
  readonly #host: string
  readonly #first: number
  readonly #last: number
  readonly #taken = new Set<number>()
  #next: number

  constructor(options: { readonly host: string; readonly first: number; readonly last: number }) {
    this.#host = options.host
    this.#first = options.first
    this.#last = options.last
    this.#next = options.first
  }

  /** Binds `wanted`, or the next pair of the range that is free when it is undefined. */
  async listen(handlers: PairHandlers, wanted: PortPair | undefined): Promise<ListeningPair> {
    if (wanted !== undefined) return await this.#bindWanted(handlers, wanted)
    for (let tried = this.#first; tried < this.#last; tried += 2) {
      const ports = this.#takeNext()
      if (ports === undefined) continue
      try {
        return await this.#bind(handlers, ports)
      } catch (error) {
        if (!isAddressInUse(error)) throw error
        // Some other program has it: the next pair may be free.
      }
    }
    throw new Overloaded(
      'NoFreePort',
      `No free pair of ports from ${this.#first} to ${this.#last}. Delete deployments or widen --deployment-ports.`,
      60_000,
    )
  }

  async #bindWanted(handlers: PairHandlers, wanted: PortPair): Promise<ListeningPair> {
    try {
      return await this.#bind(handlers, wanted)
    } catch (error) {
      if (!isAddressInUse(error)) throw error
      throw new AlreadyExists(
        'PortInUse',
        `A deployment of this data directory has the ports ${wanted.api} and ${wanted.site}, and one of them is in use. ` +
          'Stop the program that has it, and start again.',
        { cause: error },
      )
    }
  }

  #takeNext(): PortPair | undefined {
    const api = this.#next
    this.#next = api + 3 > this.#last ? this.#first : api + 2
    return this.#taken.has(api) ? undefined : { api, site: api + 1 }
  }

  async #bind(handlers: PairHandlers, ports: PortPair): Promise<ListeningPair> {
    this.#taken.add(ports.api)
    const servers: RunningServer[] = []
    try {
      const { api: handler, onUpgrade } = handlers
      servers.push(await startServer({ port: ports.api, host: this.#host, handler, onUpgrade }))
      servers.push(await startServer({ port: ports.site, host: this.#host, handler: handlers.site }))
    } catch (error) {
      this.#taken.delete(ports.api)
      await Promise.all(servers.map((server) => server.close()))
      throw error
    }
    return {
      ports,
      close: async () => {
        await Promise.all(servers.map((server) => server.close()))
        this.#taken.delete(ports.api)
      },
    }
  }
}

/** Some other program has the port, or this one may not have it. */
export function isAddressInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES')
}
