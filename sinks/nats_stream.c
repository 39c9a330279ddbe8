/* SPDX-License-Identifier: Apache-2.0 */
/* nats_stream.c - finds or makes the stream; the contract is in nats_stream.h. */
#include "nats_stream.h"

#include "clock.h"
#include "mem.h"
#include "nats_connect.h"
#include "template.h"

static void see(const jsStreamInfo *info, struct nats_stream *ret)
{
    ret->duplicate_window_ns = info->Config->Duplicates;
    ret->max_message = info->Config->MaxMsgSize > 0 ? info->Config->MaxMsgSize : 0;
}

static enum status make(jsCtx *js, const struct nats_conf *conf, const char *wildcard,
                        struct nats_stream *ret, struct err *err)
{
    const struct nats_stream_conf *c = &conf->jetstream;
    jsStreamConfig s;
    jsStreamConfig_Init(&s);
    s.Name = c->stream;
    s.Subjects = c->subjects.len ? (const char **)c->subjects.items : &wildcard;
    s.SubjectsLen = c->subjects.len ? (int)c->subjects.len : 1;
    s.Storage = c->storage ? js_MemoryStorage : js_FileStorage;
    s.Replicas = c->replicas;
    s.MaxAge = c->max_age;
    s.MaxBytes = c->max_bytes ? c->max_bytes : -1;
    s.Duplicates = c->duplicate_window;
    if (c->max_age && c->max_age < s.Duplicates)
        s.Duplicates = c->max_age; /* the server refuses a window beyond the age */
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus n = js_AddStream(&info, js, &s, NULL, &code);
    if (n != NATS_OK)
        return err_set(err, ERR_AGAIN, "cannot make stream %.60s: %.120s (code %d)", c->stream,
                       nats_words(n), (int)code);
    see(info, ret);
    jsStreamInfo_Destroy(info);
    return OK;
}

/* The stream could not be seen for a reason other than that it is missing. */
static enum status judge(natsStatus n, jsErrCode code, const struct nats_conf *conf,
                         struct err *err)
{
    if (n == NATS_NO_RESPONDERS || code == JSNotEnabledErr || code == JSNotEnabledForAccountErr)
        return err_set(err, ERR_AGAIN,
                       "no JetStream there, or not for this account, while stream %.60s is asked "
                       "for",
                       conf->jetstream.stream);
    if (code != 0)
        return err_set(err, ERR_AGAIN, "stream %.60s: %.120s (code %d)", conf->jetstream.stream,
                       nats_words(n), (int)code);
    return OK; /* no answer: perhaps we may publish, but not ask */
}

static enum status find(jsCtx *js, const struct nats_conf *conf, struct nats_stream *ret,
                        struct err *err)
{
    const struct nats_stream_conf *c = &conf->jetstream;
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus n = js_GetStreamInfo(&info, js, c->stream, NULL, &code);
    if (n == NATS_OK) {
        see(info, ret);
        jsStreamInfo_Destroy(info);
        return OK;
    }
    if (code != JSStreamNotFoundErr && n != NATS_NOT_FOUND)
        return judge(n, code, conf, err);
    AUTO(buf) struct buf wildcard = BUF_INIT(TEMPLATE_MAX);
    enum status s = nats_conf_wildcard(conf->subject, &wildcard);
    if (s == OK && c->create)
        return make(js, conf, wildcard.data, ret, err);
    return err_set(err, ERR_AGAIN,
                   "no stream %.60s: make it (nats stream add %.60s --subjects '%.60s'), or set "
                   "jetstream.create",
                   c->stream, c->stream, wildcard.data);
}

enum status nats_stream_ensure(natsConnection *nc, const struct nats_conf *conf,
                               struct nats_stream *ret, struct err *err)
{
    jsOptions o;
    jsOptions_Init(&o);
    o.Wait = conf->connect_timeout / MS_NS;
    if (conf->jetstream.domain[0])
        o.Domain = conf->jetstream.domain;
    jsCtx *js = NULL;
    natsStatus n = natsConnection_JetStream(&js, nc, &o);
    if (n != NATS_OK)
        return err_set(err, ERR_AGAIN, "%s", nats_words(n));
    *ret = (struct nats_stream){.duplicate_window_ns = conf->jetstream.duplicate_window};
    enum status s = find(js, conf, ret, err);
    jsCtx_Destroy(js);
    return s;
}
