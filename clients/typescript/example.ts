/**
 * A typed client of the platform: it runs a workflow, follows one that is enqueued, loads a dropdown's options and
 * submits a form. Paths, parameters, bodies and answers are checked by the compiler against `api.d.ts`.
 */
import createClient from "openapi-fetch";

import type { components, paths } from "./api";

type Schemas = components["schemas"];
type Client = ReturnType<typeof connect>;

const ENDS: readonly Schemas["ExecutionStatus"][] = ["Success", "CompletedWithErrors", "Failed", "Timeout", "Cancelled"];

/** Thrown for an answer outside 2xx. */
export class ApiError extends Error {
  constructor(readonly answer: Schemas["ErrorResponse"]) {
    super(`${answer.error}: ${answer.message}`);
  }
}

/**
 * @param origin of the app, such as `http://localhost:7071`
 * @param headers that say who is calling: `Authorization: Bearer …` or `x-functions-key`; none on this machine
 */
export function connect(origin: string, headers: Record<string, string> = {}) {
  return createClient<paths>({
    baseUrl: `${origin}/api`,
    headers,
    // Free parameters stand in the query by their own names.
    querySerializer: { object: { style: "form", explode: true } },
  });
}

function answered<T>(result: { data?: T; error?: unknown }): T {
  if (result.data === undefined) {
    throw new ApiError(result.error as Schemas["ErrorResponse"]);
  }
  return result.data;
}

/** Runs a workflow and waits for its end, however it is run. */
export async function run(
  client: Client,
  workflowName: string,
  inputData: Record<string, unknown>,
): Promise<Schemas["ExecutionResponse"]> {
  const begun = answered(
    await client.POST("/workflows/{workflowName}/execute", {
      // With the key a call that was lost on the way may simply be made again.
      params: { path: { workflowName }, header: { "Idempotency-Key": crypto.randomUUID() } },
      body: { inputData },
    }),
  );
  return "links" in begun ? follow(client, begun.executionId) : begun;
}

/** Polls an execution to its end. */
export async function follow(client: Client, executionId: string): Promise<Schemas["ExecutionDetail"]> {
  for (let pause = 100; ; pause = Math.min(pause * 2, 2000)) {
    const execution = answered(await client.GET("/executions/{executionId}", { params: { path: { executionId } } }));
    if (ENDS.includes(execution.status)) {
      return execution;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** The options of a data provider. */
export async function options(
  client: Client,
  providerName: string,
  inputs: Record<string, string>,
): Promise<Schemas["Option"][]> {
  const params = { path: { providerName }, query: { others: inputs } };
  return answered(await client.GET("/data-providers/{providerName}", { params })).options;
}

/** Submits the form that starts a workflow. */
export async function submit(
  client: Client,
  linkedWorkflow: string,
  formData: Record<string, unknown>,
): Promise<Schemas["ExecutionResponse"] | Schemas["ExecutionAccepted"]> {
  const forms = answered(await client.GET("/forms"));
  const form = forms.find((found) => found.linkedWorkflow === linkedWorkflow);
  if (form === undefined) {
    throw new Error(`There is no form for ${linkedWorkflow}`);
  }
  return answered(
    await client.POST("/forms/{formId}/execute", { params: { path: { formId: form.id } }, body: { formData } }),
  );
}

/** All of it once, against the workspace's examples. */
export async function demonstrate(origin: string) {
  const client = connect(origin);
  const greeted = await run(client, "hello", { name: "Ada" });
  const imported = await run(client, "import_orders", { lines: ["17;9.50"], seconds_per_order: 0 });
  const cities = await options(client, "cities", { country: "de", limit: "2" });
  const delivery = await submit(client, "order_delivery", {
    customer: "Ada",
    country: "de",
    city: cities[0]?.value,
    express: false,
  });
  const refused = await run(client, "nobody", {}).catch((error: unknown) => error);
  return { greeted, imported, cities, delivery, refused: refused instanceof ApiError ? refused.answer.error : null };
}
