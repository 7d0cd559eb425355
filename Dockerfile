# A release names the image by its digest as well (.github/workflows/release.yml); a tag can be moved.
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Exactly what package-lock.json names, by its checksums; it fails when the two files differ.
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY migrations migrations
COPY src src
RUN npm run build
# Traces, metrics and error reports: optional packages, which the other stage does not install.
RUN mkdir /telemetry && node scripts/telemetry-packages.js | xargs cp --recursive --parents --target-directory /telemetry

FROM ${NODE_IMAGE}
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force
COPY --from=build /telemetry ./
COPY --from=build /app/dist dist
# What "npm start" runs first; it finds nothing to build here.
COPY scripts scripts
# Behind "--" Node leaves --env-file to the gateway.
RUN printf '#!/bin/sh\nexec node -- /app/dist/src/main.js "$@"\n' > /usr/local/bin/gatehouse \
 && chmod 755 /usr/local/bin/gatehouse
USER node
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 4000}/health/live`).then((reply) => process.exit(reply.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--", "dist/src/main.js"]
CMD ["start"]
