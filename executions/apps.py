from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"

    def ready(self) -> None:
        from executions import announced
        from executions.step_types.human_prompt import HumanPrompt
        from workflows.step_types import registry

        registry.register(HumanPrompt())
        announced.connect()
