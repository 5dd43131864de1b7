from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"

    def ready(self) -> None:
        from executions import announced
        from executions.step_types.files import AppendToFile, WriteFile
        from executions.step_types.human_prompt import HumanPrompt
        from executions.step_types.log_event import LogAnEvent
        from executions.step_types.notify import Notify
        from workflows.step_types import registry

        for step_type in (HumanPrompt(), WriteFile(), AppendToFile(), LogAnEvent(), Notify()):
            registry.register(step_type)
        announced.connect()
