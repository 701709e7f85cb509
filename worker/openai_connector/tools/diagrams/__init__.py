"""BPMN files: reading the connector tasks in them, checking them (`lint`), moving them over (`migrate`).

`markup` reads XML so that it can be edited by byte spans, `tasks` finds the tasks, `camunda` translates the
tasks of Camunda's own OpenAI templates to this connector's inputs. Only the commands import this package.
"""
