"""The build context of one model version: a folder that `docker build` needs nothing besides.

    layers/.build/images/<model>-<version>-<architecture>/
      Dockerfile          functions/predict/Dockerfile with this model's labels filled in
      runtime.tar         /opt/python, /opt/licenses: the same file (hard link) in every context
      options/<name>.tar  /opt/python of an option layer; without content where the model takes none
      functions.tar       /var/task: the handlers; the same file in every context
      model.tar           /opt/model: the files of the version folder that a function reads

`infra/` gives this folder to `DockerImageCode.from_image_asset(folder, platform=...)` as it is, with
`cmd=["predict.handler.handler"]` or `["batch.handler.handler"]`; `modelet image --context --all`, the
build step of `cdk.json`, stages it. Its bytes depend on this model's files, the shared archives and the
Dockerfile only, so neither another model nor `infra/` changes the asset's hash. Decision 0070 says why
the parts are archives.
"""
