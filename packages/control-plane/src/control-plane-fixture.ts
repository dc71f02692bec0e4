/** A control plane on a real server on loopback, with a provisioner that only takes notes. For tests. */
import { assert, createLog, systemRandom, type Clock } from '@concave/base'
import { startServer } from '@concave/http'
import { MemoryDisk, MemoryStorage } from '@concave/storage'
import { AccessTokens, type NewAccessToken } from './access-tokens.ts'
import type { Bootstrap } from './bootstrap.ts'
import { ControlPlane } from './control-plane.ts'
import { openDatabaseStore } from './database-store.ts'
import { nextId } from './next-id.ts'
import type { DeploymentSettings, Provisioner, ProvisionRequest } from './provisioner.ts'
import { Secrets } from './secrets.ts'
import { slugify } from './slugs.ts'
import type { Store, Writer } from './store.ts'

export class FakeProvisioner implements Provisioner {
  readonly created: ProvisionRequest[] = []
  readonly removed: string[] = []
  /** Runs inside `create`, before it answers. */
  onCreate: (request: ProvisionRequest) => Promise<void> = async () => {}
  onRemove: (name: string) => Promise<void> = async () => {}

  async create(request: ProvisionRequest): Promise<{ url: string; siteUrl: string }> {
    this.created.push(request)
    await this.onCreate(request)
    return this.urlOf(request.name)
  }

  readonly configured: { readonly name: string; readonly settings: DeploymentSettings }[] = []

  async configure(name: string, settings: DeploymentSettings): Promise<void> {
    this.configured.push({ name, settings })
  }

  async remove(name: string): Promise<void> {
    await this.onRemove(name)
    this.removed.push(name)
  }

  urlOf(name: string): { url: string; siteUrl: string } {
    return { url: `http://${name}.cloud.test`, siteUrl: `http://${name}.site.test` }
  }
}

/** Stands still until told to move. */
export class ManualClock implements Clock {
  timeMs = 1_800_000_000_000

  nowMs(): number {
    return this.timeMs
  }

  nowNs(): bigint {
    return BigInt(this.timeMs) * 1_000_000n
  }

  monotonicMs(): number {
    return this.timeMs
  }
}

export type Answer = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: unknown
}

export type Call = (
  method: string,
  path: string,
  options?: {
    readonly token?: string | null
    readonly body?: unknown
    readonly headers?: Readonly<Record<string, string>>
  },
) => Promise<Answer>

export type TestControlPlane = AsyncDisposable & {
  readonly url: string
  /** The one that is open now. */
  readonly controlPlane: ControlPlane
  readonly provisioner: FakeProvisioner
  readonly clock: ManualClock
  readonly first: Bootstrap
  /** Sends JSON with the first team token, unless told otherwise. */
  readonly call: Call
  /** The same, for requests that must succeed; returns the parsed body. */
  readonly succeed: <Body>(method: string, path: string, body?: unknown, token?: string) => Promise<Body>
  /** A project of the first team with its default dev deployment. */
  readonly createProject: (projectName?: string) => Promise<CreatedProject>
  /** Ends this control plane, does something to its records, and opens the next one on the same storage. */
  readonly restart: (meanwhile?: (store: Store) => Promise<void>) => Promise<void>
  /** A team with another member, and the token of that team. */
  readonly addTeam: (name: string) => Promise<{ readonly id: number; readonly slug: string; readonly token: string }>
  /** A project token, as an application would be granted one. */
  readonly addProjectToken: (projectId: number) => Promise<string>
}

export type CreatedProject = {
  readonly id: number
  readonly projectId: number
  readonly slug: string
  readonly deploymentName: string
  readonly deploymentUrl: string
}

const pepper = new Uint8Array(32).fill(7)

export async function openTestControlPlane(): Promise<TestControlPlane> {
  const provisioner = new FakeProvisioner()
  const clock = new ManualClock()
  const log = createLog({ level: 'silent' })
  const disk = new MemoryDisk()
  const shared = { clock, random: systemRandom, log }
  const open = async (): Promise<ControlPlane> =>
    await ControlPlane.open({
      ...shared,
      storage: new MemoryStorage({ disk }),
      pepper,
      provisioner,
      validateResponses: true,
    })
  let controlPlane = await open()
  const server = await startServer({
    port: 0,
    host: '127.0.0.1',
    drainMs: 1000,
    handler: (request, response) => controlPlane.handler(request, response),
  })
  const first = await controlPlane.bootstrap({ publicUrl: server.url })
  assert(first !== undefined, 'A new control plane must bootstrap.')

  const call: Call = async (method, path, { token = first.accessToken, body, headers = {} } = {}) => {
    const response = await fetch(server.url + path, {
      method,
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: parse(text) }
  }
  const succeed = async <Body>(method: string, path: string, body?: unknown, token = first.accessToken) => {
    const answer = await call(method, path, { body, token })
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.body as Body
  }
  const restart = async (meanwhile?: (store: Store) => Promise<void>): Promise<void> => {
    await controlPlane.close()
    const between = await openDatabaseStore({ ...shared, storage: new MemoryStorage({ disk }) })
    await meanwhile?.(between.store)
    await between.close()
    controlPlane = await open()
  }
  const issue = async (create: (tables: Writer) => Promise<Omit<NewAccessToken, 'name'>>): Promise<string> => {
    const secrets = new Secrets({ random: systemRandom, pepper })
    const secret = secrets.create()
    await restart(async (store) => {
      const accessTokens = new AccessTokens({ store, clock, secrets })
      await store.mutate('test', async (tables) => {
        await accessTokens.issue(tables, secret, { name: 'test', ...(await create(tables)) })
      })
    })
    return secret.text
  }
  return {
    url: server.url,
    get controlPlane() {
      return controlPlane
    },
    provisioner,
    clock,
    first,
    call,
    succeed,
    createProject: async (projectName = 'Shop') =>
      await succeed('POST', `/v1/teams/${first.team.id}/create_project`, { projectName, deploymentType: 'dev' }),
    restart,
    addTeam: async (name) => {
      const slug = slugify(name, 'team')
      const createTime = clock.nowMs()
      let id = 0
      const token = await issue(async (tables) => {
        const memberId = await nextId(tables, 'member')
        id = await nextId(tables, 'team')
        await tables.members.insert({ id: memberId, name, email: null, createTime })
        await tables.teams.insert({ id, name, slug, creator: memberId, createTime })
        await tables.teamMembers.insert({ teamId: id, memberId, role: 'admin' })
        return { kind: 'team', memberId, teamId: id }
      })
      return { id, slug, token }
    },
    addProjectToken: async (projectId) =>
      await issue(async () => ({ kind: 'project', memberId: first.memberId, projectId })),
    [Symbol.asyncDispose]: async () => {
      await server.close()
      await controlPlane.close()
    },
  }
}

function parse(text: string): unknown {
  return text === '' ? undefined : JSON.parse(text)
}
