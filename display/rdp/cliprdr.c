/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See cliprdr.h.
 */
#include "display/rdp/cliprdr.h"

#include <errno.h>
#include <string.h>
#include <winpr/user.h>
#include <winpr/wtsapi.h>
#include "display/text.h"

#define UTF16_MAX (4ul * SURFACE_CLIP_MAX + 2)

static struct rdp_clip *clip_of(CliprdrServerContext *context)
{
	return context->custom;
}

/* ---- to the client ------------------------------------------------------------------------- */

static UINT announce(CliprdrServerContext *x)
{
	CLIPRDR_FORMAT format = {.formatId = CF_UNICODETEXT};
	CLIPRDR_FORMAT_LIST list = {.numFormats = 1, .formats = &format};

	list.common.msgType = CB_FORMAT_LIST;
	return x->ServerFormatList(x, &list);
}

static UINT answer(CliprdrServerContext *x, const uint8_t *p, size_t n)
{
	CLIPRDR_FORMAT_DATA_RESPONSE r = {.requestedFormatData = p};

	r.common.msgType = CB_FORMAT_DATA_RESPONSE;
	r.common.msgFlags = p ? CB_RESPONSE_OK : CB_RESPONSE_FAIL;
	r.common.dataLen = (UINT32)n;
	clip_of(x)->client_waits = false;
	return x->ServerFormatDataResponse(x, &r);
}

static UINT ask(CliprdrServerContext *x)
{
	CLIPRDR_FORMAT_DATA_REQUEST r = {.requestedFormatId = CF_UNICODETEXT};

	r.common.msgType = CB_FORMAT_DATA_REQUEST;
	r.common.dataLen = 4;
	clip_of(x)->client_asked = true;
	x->lastRequestedFormatId = CF_UNICODETEXT;
	return x->ServerFormatDataRequest(x, &r);
}

/* The client pastes: its answer, when the desktop's text is here. */
static UINT answer_when_here(struct rdp_clip *c)
{
	char *text = NULL;
	uint8_t *wide = NULL;
	size_t n = 0;
	int r = disp_clip_text(c->viewer->clip, &text, &n);
	UINT e;

	if (r == 0)
		return CHANNEL_RC_OK;
	if (r > 0)
		wide = disp_text_to_utf16(text, n, &n);
	e = answer(c->context, wide, wide ? n : 0);
	free(text);
	free(wide);
	return e;
}

/* ---- from the client ----------------------------------------------------------------------- */

static UINT on_caps(CliprdrServerContext *x, const CLIPRDR_CAPABILITIES *caps)
{
	(void)x;
	(void)caps;
	return CHANNEL_RC_OK;
}

static UINT on_temp_dir(CliprdrServerContext *x, const CLIPRDR_TEMP_DIRECTORY *dir)
{
	(void)x;
	(void)dir;
	return CHANNEL_RC_OK;
}

static UINT on_list(CliprdrServerContext *x, const CLIPRDR_FORMAT_LIST *list)
{
	struct rdp_clip *c = clip_of(x);
	CLIPRDR_FORMAT_LIST_RESPONSE ok = {0};

	c->client_has = false;
	for (UINT32 i = 0; i < list->numFormats; i++)
		c->client_has |= list->formats[i].formatId == CF_UNICODETEXT;
	if (c->client_has)
		disp_clip_own(c->viewer->clip, c->viewer, c->viewer->source);
	else
		disp_clip_disown(c->viewer->clip, c->viewer, c->viewer->source);
	ok.common.msgType = CB_FORMAT_LIST_RESPONSE;
	ok.common.msgFlags = CB_RESPONSE_OK;
	return x->ServerFormatListResponse(x, &ok);
}

static UINT on_list_response(CliprdrServerContext *x, const CLIPRDR_FORMAT_LIST_RESPONSE *r)
{
	(void)x;
	(void)r;
	return CHANNEL_RC_OK;
}

static UINT on_lock(CliprdrServerContext *x, const CLIPRDR_LOCK_CLIPBOARD_DATA *l)
{
	(void)x;
	(void)l;
	return CHANNEL_RC_OK;
}

static UINT on_unlock(CliprdrServerContext *x, const CLIPRDR_UNLOCK_CLIPBOARD_DATA *l)
{
	(void)x;
	(void)l;
	return CHANNEL_RC_OK;
}

static UINT on_request(CliprdrServerContext *x, const CLIPRDR_FORMAT_DATA_REQUEST *r)
{
	struct rdp_clip *c = clip_of(x);

	if (r->requestedFormatId != CF_UNICODETEXT ||
	    !(disp_clip_ways(c->viewer->clip) & SURFACE_CLIP_OUT))
		return answer(x, NULL, 0);
	c->client_waits = true;
	disp_clip_want(c->viewer->clip, c->viewer->source);
	return answer_when_here(c);
}

static UINT on_response(CliprdrServerContext *x, const CLIPRDR_FORMAT_DATA_RESPONSE *r)
{
	struct rdp_clip *c = clip_of(x);
	char *text = NULL;
	size_t n = 0;

	if (!c->client_asked)
		return CHANNEL_RC_OK;
	c->client_asked = false;
	if ((r->common.msgFlags & CB_RESPONSE_OK) && r->common.dataLen <= UTF16_MAX &&
	    (r->requestedFormatData || !r->common.dataLen))
		text = disp_text_from_utf16(r->requestedFormatData, r->common.dataLen, &n);
	disp_clip_give(c->viewer->clip, c->viewer, c->viewer->source, text, n);
	free(text);
	return CHANNEL_RC_OK;
}

static UINT on_file(CliprdrServerContext *x, const CLIPRDR_FILE_CONTENTS_REQUEST *r)
{
	CLIPRDR_FILE_CONTENTS_RESPONSE no = {.streamId = r->streamId};

	no.common.msgType = CB_FILECONTENTS_RESPONSE;
	no.common.msgFlags = CB_RESPONSE_FAIL;
	return x->ServerFileContentsResponse(x, &no);
}

/* ---- the channel --------------------------------------------------------------------------- */

static int greet(CliprdrServerContext *x)
{
	CLIPRDR_GENERAL_CAPABILITY_SET general = {.capabilitySetType = CB_CAPSTYPE_GENERAL,
						  .capabilitySetLength = CB_CAPSTYPE_GENERAL_LEN,
						  .version = CB_CAPS_VERSION_2,
						  .generalFlags = CB_USE_LONG_FORMAT_NAMES};
	CLIPRDR_CAPABILITIES caps = {.cCapabilitiesSets = 1,
				     .capabilitySets = (CLIPRDR_CAPABILITY_SET *)&general};
	CLIPRDR_MONITOR_READY ready = {0};

	caps.common.msgType = CB_CLIP_CAPS;
	caps.common.dataLen = 4 + CB_CAPSTYPE_GENERAL_LEN;
	ready.common.msgType = CB_MONITOR_READY;
	if (x->ServerCapabilities(x, &caps) != CHANNEL_RC_OK ||
	    x->MonitorReady(x, &ready) != CHANNEL_RC_OK)
		return -EPIPE;
	return 0;
}

static int open_clip(struct rdp_clip *c, struct disp_viewer *v, HANDLE vcm)
{
	CliprdrServerContext *x = cliprdr_server_context_new(vcm);

	if (!x)
		return 0; /* a session without a clipboard is one all the same */
	x->custom = c;
	x->useLongFormatNames = TRUE;
	x->streamFileClipEnabled = FALSE;
	x->fileClipNoFilePaths = TRUE;
	x->canLockClipData = FALSE;
	x->rdpcontext = NULL;
	x->ClientCapabilities = on_caps;
	x->TempDirectory = on_temp_dir;
	x->ClientFormatList = on_list;
	x->ClientFormatListResponse = on_list_response;
	x->ClientLockClipboardData = on_lock;
	x->ClientUnlockClipboardData = on_unlock;
	x->ClientFormatDataRequest = on_request;
	x->ClientFormatDataResponse = on_response;
	x->ClientFileContentsRequest = on_file;
	c->viewer = v;
	if (x->Open(x) != CHANNEL_RC_OK) {
		cliprdr_server_context_free(x);
		return 0;
	}
	c->context = x;
	return greet(x);
}

int disp_rdp_clip_run(struct rdp_clip *c, struct disp_viewer *v, HANDLE vcm)
{
	UINT e = CHANNEL_RC_OK;
	int r;

	if (!c->tried && v->clip && disp_clip_ways(v->clip) &&
	    WTSVirtualChannelManagerIsChannelJoined(vcm, CLIPRDR_SVC_CHANNEL_NAME)) {
		c->tried = true;
		r = open_clip(c, v, vcm);
		if (r < 0)
			return r;
	}
	if (!c->context)
		return 0;
	while (WaitForSingleObject(c->context->GetEventHandle(c->context), 0) == WAIT_OBJECT_0 &&
	       e == CHANNEL_RC_OK)
		e = c->context->CheckEventHandle(c->context);
	if (e == CHANNEL_RC_OK && disp_clip_offered(v->clip, &c->seen))
		e = announce(c->context);
	if (e == CHANNEL_RC_OK && c->client_waits)
		e = answer_when_here(c);
	if (e == CHANNEL_RC_OK && disp_clip_wanted(v->clip, v)) {
		if (c->client_has && !c->client_asked)
			e = ask(c->context);
		else if (!c->client_has)
			disp_clip_give(v->clip, v, v->source, NULL, 0);
	}
	return e == CHANNEL_RC_OK ? 0 : -EPIPE;
}

void disp_rdp_clip_fini(struct rdp_clip *c)
{
	if (!c->context)
		return;
	c->context->Close(c->context);
	cliprdr_server_context_free(c->context);
	c->context = NULL;
}
