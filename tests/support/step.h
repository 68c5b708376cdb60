/* The hooks of chorale_hooked (step.c), for a program in which runs begin after main(). */
#ifndef CHORALE_TESTS_STEP_H
#define CHORALE_TESTS_STEP_H

/* Takes the hooks from the environment, CHORALE_HOOK. Called before main() too. */
void StepParseHooks(void);

#endif
