// SPDX-License-Identifier: Apache-2.0
/* Page requests of devices, and what they are answered (smmuv3 3.2, 6.4, 6.6). */
#include "models/nvidia_vcmdq/smmu.h"

static void answer(struct smmu *smmu, uint32_t sid, const struct smmu_page_response *response)
{
	struct smmu_endpoint *endpoint = smmu_endpoint_find(smmu, sid);
	if (endpoint == NULL)
		return; /* no such function: nobody hears it */
	endpoint->response = *response;
	endpoint->responses++;
}

/* Read, write, last = 0, 0, 1 with a substream: it only marks the end, and is not answered. */
static bool is_stop_marker(const struct smmu_page_request *request)
{
	return request->has_ssid && request->last && !request->read && !request->write;
}

static void record_of(const struct smmu_page_request *request, uint64_t record[2])
{
	record[0] = field_put(PRI_SID, request->sid) |
		    (request->has_ssid ? PRI_SSV | field_put(PRI_SSID, request->ssid) : 0) |
		    field_put(PRI_PRIV, request->privileged) |
		    field_put(PRI_EXEC, request->instruction) | field_put(PRI_READ, request->read) |
		    field_put(PRI_WRITE, request->write) | field_put(PRI_LAST, request->last);
	record[1] = field_put(PRI_GROUP, request->group) | (request->address & PRI_ADDR);
}

void smmu_page_request(struct smmu *smmu, const struct smmu_page_request *request)
{
	uint64_t record[2];
	record_of(request, record);
	enum pri_admission admission = smmu_record_request(smmu, record);
	if (admission == PRI_TAKEN || !request->last || is_stop_marker(request))
		return;
	const struct smmu_page_response response = {
		.has_ssid = request->has_ssid,
		.ssid = request->ssid,
		.group = request->group,
		.code = admission == PRI_OVERFLOW ? ATS_RESPONSE_SUCCESS : ATS_RESPONSE_FAILURE,
	};
	answer(smmu, request->sid, &response);
}

void smmu_answer_request(struct smmu *smmu, const struct smmu_command *command)
{
	static const uint8_t codes[] = {ATS_RESPONSE_FAILURE, ATS_RESPONSE_INVALID,
					ATS_RESPONSE_SUCCESS};
	const struct smmu_page_response response = {
		.has_ssid = command->dw[0] & CMD_SSV,
		.ssid = (uint32_t)field_get(command->dw[0], CMD_SSID),
		.group = (uint16_t)field_get(command->dw[1], CMD_PRI_GROUP),
		.code = codes[field_get(command->dw[1], CMD_PRI_RESP_CODE)],
	};
	if (smmu->cr0 & CR0_SMMUEN) /* else ignored (1.4) */
		answer(smmu, (uint32_t)field_get(command->dw[0], CMD_SID), &response);
}
