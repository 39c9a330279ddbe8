# SPDX-License-Identifier: Apache-2.0
# The image of strata-agent: ./dev image, or docker build . (docs/IMAGE.md).  Nothing is run in the
# stage that becomes the image: all that it has over its base is made in the stage before, so
# that an image for another architecture needs no emulation.
# BUILDER is for those that do not know BUILDPLATFORM, such as buildah 1.28.
ARG BASE=debian:bookworm-slim
ARG BUILDER=${BUILDPLATFORM}

FROM ${BASE} AS base

FROM --platform=${BUILDER} ${BASE} AS tools
ARG TARGETARCH
COPY scripts/need.sh scripts/image_stage.sh /src/scripts/
RUN /src/scripts/image_stage.sh tools

FROM tools AS build
ARG TARGETARCH
COPY . /src
COPY --from=base /var/lib/dpkg/status /base/status
ARG SOURCE_DATE_EPOCH=0
RUN /src/scripts/image_stage.sh agent

FROM base
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="strata-agent" \
      org.opencontainers.image.description="Scrapes metrics and hands them to a queue" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /out/ /
USER 65532:65532
EXPOSE 9690
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3 \
    CMD ["/usr/bin/strata-agent", "health", "-c", "/etc/strata/agent.yaml"]
ENTRYPOINT ["/usr/bin/strata-agent"]
CMD ["run", "-c", "/etc/strata/agent.yaml"]
