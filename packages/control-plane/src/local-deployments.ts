/**
 * Backends on developers' own machines, which the command line starts and announces here: the control plane knows that
 * they are there and whose they are, and never talks to them. Only their creators see them used.
 */
import { type Clock, NotFound } from '@concave/base'
import { getProject, getTeam } from './access.ts'
import { controlPlaneLimits } from './limits.ts'
import { nextId } from './next-id.ts'
import type { Principal } from './principal.ts'
import type { LocalDeploymentRecord, ProjectRecord } from './records.ts'
import { firstFree } from './slugs.ts'
import type { Reader, Store, Stored, Writer } from './store.ts'

const maxNameLength = 200
/** Of one member in one project: the oldest makes room. */
const maxPerProject = 20

export class LocalDeployments {
  readonly #store: Store
  readonly #clock: Clock

  constructor(deps: { readonly store: Store; readonly clock: Clock }) {
    this.#store = deps.store
    this.#clock = deps.clock
  }

  /** `name`: under which it ran before; taken over if it is the caller's own, in this project, or unknown here and free. */
  async start(
    principal: Principal,
    projectId: number,
    request: { readonly name: string | null; readonly port: number },
  ): Promise<LocalDeploymentRecord> {
    const { port } = request
    const activeTime = this.#clock.nowMs()
    const deviceName = principal.token.name.slice(0, controlPlaneLimits.maxDeviceNameLength)
    return await this.#store.mutate('start local deployment', async (tables) => {
      const project = await getProject(tables, principal, projectId)
      const creator = principal.memberId
      const before = request.name === null ? undefined : await tables.localDeployments.find('byName', [request.name])
      if (before !== undefined && before.creator === creator && before.projectId === project.id) {
        await tables.localDeployments.patch(before._id, { port, activeTime, deviceName })
        return { ...before, port, activeTime, deviceName }
      }
      await makeRoom(tables, project.id, creator)
      const local: LocalDeploymentRecord = {
        id: await nextId(tables, 'localDeployment'),
        name: await pickName(tables, project, request.name),
        projectId: project.id,
        teamId: project.teamId,
        creator,
        deviceName,
        port,
        createTime: activeTime,
        activeTime,
      }
      await tables.localDeployments.insert(local)
      return local
    })
  }

  /** The caller's own in a project have stopped. */
  async pause(principal: Principal, projectId: number): Promise<void> {
    await this.#store.mutate('pause local deployment', async (tables) => {
      const project = await getProject(tables, principal, projectId)
      const own = await tables.localDeployments.list('byProjectAndCreator', [project.id, principal.memberId])
      for (const { _id, activeTime } of own) {
        if (activeTime !== null) await tables.localDeployments.patch(_id, { activeTime: null })
      }
    })
  }

  /** Throws 404 `DeploymentNotFound`. */
  async recordActivity(principal: Principal, name: string): Promise<void> {
    const activeTime = this.#clock.nowMs()
    await this.#store.mutate('local deployment is active', async (tables) => {
      const local = await findOwnLocal(tables, principal, name)
      if (local === undefined) {
        throw new NotFound('DeploymentNotFound', `You have no local deployment ${name.slice(0, maxNameLength)}.`)
      }
      await tables.localDeployments.patch(local._id, { activeTime })
    })
  }

  /** Of all members, oldest first. Throws 404 `TeamNotFound`. */
  async listOfTeam(principal: Principal, teamIdOrSlug: string): Promise<readonly LocalDeploymentRecord[]> {
    return await this.#store.read(async (tables) => {
      const team = await getTeam(tables, principal, teamIdOrSlug)
      return await tables.localDeployments.list('byTeam', [team.id])
    })
  }

  /** Of all members, oldest first. Throws 404 `ProjectNotFound`. */
  async listOfProject(principal: Principal, projectId: number): Promise<readonly LocalDeploymentRecord[]> {
    return await this.#store.read(async (tables) => {
      const project = await getProject(tables, principal, projectId)
      return await tables.localDeployments.list('byProjectAndCreator', [project.id])
    })
  }

  /** It has not said that it stopped, and has spoken lately. */
  isActive({ activeTime }: LocalDeploymentRecord): boolean {
    return activeTime !== null && activeTime + controlPlaneLimits.localSilenceMs > this.#clock.nowMs()
  }
}

/** The caller's own local deployment of that name, in a project that it still holds. */
export async function findOwnLocal(
  tables: Reader,
  principal: Principal,
  name: string,
): Promise<Stored<LocalDeploymentRecord> | undefined> {
  const local = await tables.localDeployments.find('byName', [name])
  if (local === undefined || local.creator !== principal.memberId) return undefined
  await getProject(tables, principal, local.projectId)
  return local
}

/** The command line knows its own by this beginning (it looks for it in folders of earlier ones). */
async function pickName(tables: Reader, project: ProjectRecord, wanted: string | null): Promise<string> {
  const team = await tables.teams.find('byNumber', [project.teamId])
  const prefix = ['local', team?.slug ?? '', project.slug].map((part) => part.replaceAll('-', '_')).join('-')
  const isTaken = async (name: string): Promise<boolean> =>
    (await tables.localDeployments.find('byName', [name])) !== undefined
  const isUsable = wanted !== null && wanted.length <= maxNameLength && /^[\w.-]+$/.test(wanted)
  if (isUsable && wanted.startsWith(prefix) && !(await isTaken(wanted))) return wanted
  return await firstFree(prefix, maxNameLength, isTaken)
}

async function makeRoom(tables: Writer, projectId: number, creator: number): Promise<void> {
  const own = await tables.localDeployments.list('byProjectAndCreator', [projectId, creator])
  for (const { _id } of own.slice(0, Math.max(0, own.length - maxPerProject + 1))) {
    await tables.localDeployments.remove(_id)
  }
}
