import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import { checkRegion } from '../regions.ts'
import { teamResponse } from '../responses.ts'

type Input = { readonly body: { readonly name: string; readonly defaultRegion: string } }

export const createTeam = operation<Input>('create team', async ({ teams }, { body, principal, mark }) => {
  checkRegion(body.defaultRegion)
  return jsonReply(teamResponse(await teams.create(principal, { name: body.name }, mark)), { status: 201 })
})
