/** Teams: what projects belong to. Whoever creates one is its first admin. */
import { BadRequest, NotFound, type Clock } from '@concave/base'
import { findCreation, recordCreation, type CreationMark } from './creations.ts'
import { controlPlaneLimits } from './limits.ts'
import { nextId } from './next-id.ts'
import type { Principal } from './principal.ts'
import type { TeamRecord } from './records.ts'
import { firstFree, slugify } from './slugs.ts'
import type { Store } from './store.ts'

export class Teams {
  readonly #store: Store
  readonly #clock: Clock

  constructor(deps: { readonly store: Store; readonly clock: Clock }) {
    this.#store = deps.store
    this.#clock = deps.clock
  }

  /** Throws 400 `InvalidTeamName`. */
  async create(principal: Principal, request: { readonly name: string }, mark?: CreationMark): Promise<TeamRecord> {
    const name = request.name.trim()
    const { maxTeamNameLength, maxSlugLength } = controlPlaneLimits
    if (name === '' || name.length > maxTeamNameLength) {
      throw new BadRequest('InvalidTeamName', `The name of a team must have 1 to ${maxTeamNameLength} characters.`)
    }
    const { memberId } = principal
    const createTime = this.#clock.nowMs()
    return await this.#store.mutate('create team', async (tables) => {
      const made = await findCreation(tables, mark)
      if (made !== undefined) {
        const existing = await tables.teams.find('byNumber', [made])
        if (existing !== undefined) return existing
        throw new NotFound('TeamNotFound', 'What this request created before has been deleted since.')
      }
      const wanted = slugify(name, 'team')
      // Numbers in paths are ids.
      const slug = await firstFree(
        /^\d+$/.test(wanted) ? `team-${wanted}` : wanted,
        maxSlugLength,
        async (candidate) => (await tables.teams.find('bySlug', [candidate])) !== undefined,
      )
      const team: TeamRecord = { id: await nextId(tables, 'team'), name, slug, creator: memberId, createTime }
      await tables.teams.insert(team)
      await tables.teamMembers.insert({ teamId: team.id, memberId, role: 'admin' })
      await recordCreation(tables, mark, { createdId: team.id, nowMs: createTime })
      return team
    })
  }
}
