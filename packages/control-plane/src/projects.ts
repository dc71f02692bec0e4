/** Projects: a name, a slug that is unique in the team, and deployments. */
import { AlreadyExists, BadRequest, NotFound, type Clock } from '@concave/base'
import { getPreviewedProjectBySlug, getProject, getProjectBySlug, getTeam, type ProjectNames } from './access.ts'
import type { AccessTokens } from './access-tokens.ts'
import { findCreation, forgetCreation, recordCreation, type CreationMark } from './creations.ts'
import type { Deployments } from './deployments.ts'
import { controlPlaneLimits } from './limits.ts'
import { nextId } from './next-id.ts'
import type { Principal } from './principal.ts'
import type { DeploymentRecord, DeploymentType, ProjectRecord, TeamRecord } from './records.ts'
import { checkSlug, firstFree, slugify } from './slugs.ts'
import type { Reader, Store, Writer } from './store.ts'

export type ProjectPage = {
  readonly team: TeamRecord
  readonly projects: readonly ProjectRecord[]
  /** Where the next page starts: projects with smaller numbers. */
  readonly nextBefore: number | undefined
}

export class Projects {
  readonly #store: Store
  readonly #clock: Clock
  readonly #accessTokens: AccessTokens
  readonly #deployments: Deployments

  constructor(deps: {
    readonly store: Store
    readonly clock: Clock
    readonly accessTokens: AccessTokens
    readonly deployments: Deployments
  }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#accessTokens = deps.accessTokens
    this.#deployments = deps.deployments
  }

  async get(principal: Principal, projectId: number): Promise<ProjectRecord> {
    return await this.#store.read((tables) => getProject(tables, principal, projectId))
  }

  async getBySlug(principal: Principal, names: ProjectNames): Promise<ProjectRecord> {
    return await this.#store.read((tables) => getProjectBySlug(tables, principal, names))
  }

  /** Also for keys that may only make previews in it. */
  async getPreviewedBySlug(principal: Principal, names: ProjectNames): Promise<ProjectRecord> {
    return await this.#store.read((tables) => getPreviewedProjectBySlug(tables, principal, names))
  }

  /**
   * With a type, the project starts with a deployment of that type, the default one if there is such a thing; if that
   * fails there is no project. `mark`: a repeat of a marked request answers what the first one made.
   */
  async create(
    principal: Principal,
    teamIdOrSlug: string,
    request: { readonly name: string; readonly deploymentType: DeploymentType | undefined },
    mark?: CreationMark,
  ): Promise<{ readonly project: ProjectRecord; readonly deployment: DeploymentRecord | undefined }> {
    const name = checkProjectName(request.name)
    const { deploymentType } = request
    const created = await this.#store.mutate('create project', async (tables) => {
      const team = await getTeam(tables, principal, teamIdOrSlug)
      const made = await findCreation(tables, mark)
      if (made !== undefined) {
        const project = await getCreated(tables, principal, made)
        if (deploymentType === undefined) return { project, outcome: undefined }
        return { project, outcome: { deployment: await getFirst(tables, project.id, deploymentType), isNew: false } }
      }
      const project = await this.#insert(tables, { teamId: team.id, name, creator: principal.memberId })
      await recordCreation(tables, mark, { createdId: project.id, nowMs: this.#clock.nowMs() })
      if (deploymentType === undefined) return { project, outcome: undefined }
      const request = { type: deploymentType }
      const deployment = await this.#deployments.reserve(tables, project, principal.memberId, request)
      return { project, outcome: { deployment, isNew: true } }
    })
    const { project, outcome } = created
    if (outcome === undefined) return { project, deployment: undefined }
    const { deployment } = await this.#deployments.finishOrWait(principal, outcome, async (tables) => {
      const left = await tables.projects.find('byNumber', [project.id])
      if (left !== undefined) await tables.projects.remove(left._id)
      await forgetCreation(tables, mark)
    })
    return { project, deployment }
  }

  /** Newest first. `search` matches name or slug, ignoring case. */
  async list(
    principal: Principal,
    teamIdOrSlug: string,
    page: { readonly before: number | undefined; readonly limit: number; readonly search: string | undefined },
  ): Promise<ProjectPage> {
    return await this.#store.read(async (tables) => {
      const team = await getTeam(tables, principal, teamIdOrSlug)
      const all = await tables.projects.list('byTeamAndNumber', [team.id], { order: 'desc' })
      const search = page.search?.toLowerCase()
      const matching = all.filter(
        ({ id, name, slug }) =>
          (page.before === undefined || id < page.before) &&
          (search === undefined || name.toLowerCase().includes(search) || slug.toLowerCase().includes(search)),
      )
      const projects = matching.slice(0, page.limit)
      const nextBefore = matching.length > page.limit ? projects.at(-1)?.id : undefined
      return { team, projects, nextBefore }
    })
  }

  /** Throws 400 `InvalidProjectName` or `InvalidSlug`, 409 `SlugAlreadyExists`. */
  async update(
    principal: Principal,
    projectId: number,
    changes: { readonly name: string | undefined; readonly slug: string | undefined },
  ): Promise<ProjectRecord> {
    const name = changes.name === undefined ? undefined : checkProjectName(changes.name)
    const { slug } = changes
    if (slug !== undefined) checkSlug(slug)
    return await this.#store.mutate('update project', async (tables) => {
      const project = await getProject(tables, principal, projectId)
      if (slug !== undefined) {
        const holder = await tables.projects.find('byTeamAndSlug', [project.teamId, slug])
        if (holder !== undefined && holder.id !== project.id) {
          throw new AlreadyExists('SlugAlreadyExists', `There is a project ${slug} in this team already.`)
        }
      }
      const updated = { name: name ?? project.name, slug: slug ?? project.slug }
      await tables.projects.patch(project._id, updated)
      return { ...project, ...updated }
    })
  }

  /** Durable at once: the project, its deployments and their keys are gone when this resolves. */
  async delete(principal: Principal, projectId: number): Promise<void> {
    const deleted = await this.#store.mutate('delete project', async (tables) => {
      const project = await getProject(tables, principal, projectId)
      const deployments = await tables.deployments.list('byProject', [project.id])
      const revokedWithDeployments = await this.#deployments.deleteRecords(tables, deployments)
      const keys = await tables.accessTokens.list('byProject', [project.id])
      const revoked = await this.#accessTokens.revoke(tables, keys)
      for (const { _id } of await tables.defaultVariables.list('byProject', [project.id])) {
        await tables.defaultVariables.remove(_id)
      }
      for (const { _id } of await tables.localDeployments.list('byProjectAndCreator', [project.id])) {
        await tables.localDeployments.remove(_id)
      }
      await tables.projects.remove(project._id)
      return { names: deployments.map(({ name }) => name), revoked: [...revokedWithDeployments, ...revoked] }
    })
    this.#accessTokens.announce(deleted.revoked)
    await this.#deployments.removeFolders(deleted.names)
  }

  async #insert(
    tables: Writer,
    request: { readonly teamId: number; readonly name: string; readonly creator: number },
  ): Promise<ProjectRecord> {
    const { teamId, name, creator } = request
    const slug = await firstFree(
      slugify(name, 'project'),
      controlPlaneLimits.maxSlugLength,
      async (candidate) => (await tables.projects.find('byTeamAndSlug', [teamId, candidate])) !== undefined,
    )
    const id = await nextId(tables, 'project')
    const project: ProjectRecord = { id, teamId, name, slug, creator, createTime: this.#clock.nowMs() }
    await tables.projects.insert(project)
    return project
  }
}

async function getCreated(tables: Reader, principal: Principal, projectId: number): Promise<ProjectRecord> {
  const project = await tables.projects.find('byNumber', [projectId])
  if (project !== undefined) return await getProject(tables, principal, projectId)
  throw new NotFound('ProjectNotFound', 'What this request created before has been deleted since.')
}

/** The deployment that a project started with. */
async function getFirst(tables: Reader, projectId: number, type: DeploymentType): Promise<DeploymentRecord> {
  const [first] = (await tables.deployments.list('byProject', [projectId])).filter((one) => one.type === type)
  if (first !== undefined) return first
  throw new NotFound('DeploymentNotFound', 'What this request created before has been deleted since.')
}

function checkProjectName(name: string): string {
  const trimmed = name.trim()
  const { maxProjectNameLength } = controlPlaneLimits
  if (trimmed === '') throw new BadRequest('InvalidProjectName', 'The project name must not be empty.')
  if (trimmed.length > maxProjectNameLength) {
    throw new BadRequest('InvalidProjectName', `The project name must have at most ${maxProjectNameLength} characters.`)
  }
  return trimmed
}
