#!/bin/sh
# Runs every ProVerif model and compares verdicts. Usage: PROVERIF=/path/to/proverif ./check.sh
# Verdict string: one letter per query in file order: t = true, f = false (attack), x = not proved.
# A first query "not event(IFin...)" is the reachability control and must be f.
PV=${PROVERIF:-proverif}
cd "$(dirname "$0")" || exit 1
rc=0
one() { # expected name libs... main
  want=$1; name=$2; shift 2
  s=$(date +%s%N)
  got=$(timeout 600 "$PV" "$@" 2>/dev/null | grep -a '^RESULT' | grep -av 'query encoded\|(even event\|(but event' |
        sed -e 's/.* is true\.$/t/' -e 's/.* is false\.$/f/' -e 's/.*cannot be proved.*/x/' | tr -d '\n')
  ms=$(( ($(date +%s%N) - s) / 1000000 ))
  if [ "$got" = "$want" ]; then r=ok; else r=MISMATCH; rc=1; fi
  printf '%-9s %-26s want %-11s got %-11s %6d ms\n' "$r" "$name" "$want" "$got" "$ms"
}
P="-lib prelude.pvl"
# reach, secI, secR, agreeI(inj), agreeR(inj), key->identities
one fttttt sig_full        $P -lib auth_full.pvl        sig_main.pv
one ftttff sig_ike         $P -lib auth_ike.pvl         sig_main.pv
one ftttft sig_ike_strict  $P -lib auth_ike_strict.pvl  sig_main.pv
one fttttt sig_a1_nodhcheck   $P -lib auth_a1_nodhcheck.pvl  sig_main.pv
one fttttt sig_a2_keys_nonce  $P -lib auth_a2_keys_nonce.pvl sig_main.pv
one fttttt sig_a3_nolabel     $P -lib auth_a3_nolabel.pvl    sig_main.pv
one fttttt sig_a4_nomac       $P -lib auth_a4_nomac.pvl      sig_main.pv
one fttttt sig_a5_noidr       $P -lib auth_a5_noidr.pvl      sig_main.pv
one fttttt sig_a6_nosp        $P -lib auth_a6_nosp.pvl       sig_main.pv
one fttttt sig_a8_maconly     $P -lib auth_a8_maconly.pvl    sig_main.pv
one fttttf sig_a7_key_nodh    $P -lib auth_a7_key_nodh.pvl   sig_main.pv
one fttfft sig_b1_reflect     $P -lib auth_b1_reflect.pvl    sig_main.pv
one fttfff sig_b2_misbind     $P -lib auth_b2_misbind.pvl    sig_main.pv
one ffffft sig_b3_nosig       $P -lib auth_b3_nosig.pvl      sig_main.pv
one ftttft sig_dhreuse_ike    $P -lib auth_ike_strict.pvl    sig_dhreuse.pv
one fttftt sig_fork           $P -lib auth_full.pvl          sig_fork.pv
one fttttt sig_fork_n3        $P -lib auth_full.pvl          sig_fork_n3.pv
one fttttt sig_dhreuse        $P -lib auth_full.pvl          sig_dhreuse.pv
# names only: initiator, responder
one tt     names_full         $P -lib auth_full.pvl          sig_names.pv
one tf     names_ike          $P -lib auth_ike.pvl           sig_names.pv
one tt     names_ike_strict   $P -lib auth_ike_strict.pvl    sig_names.pv
one tf     names_b2_misbind   $P -lib auth_b2_misbind.pvl    sig_names.pv
one ft     names_b1_reflect   $P -lib auth_b1_reflect.pvl    sig_names.pv
one ftttt  psk_full           $P -lib psk_full.pvl           psk_main.pv
one ftttt  psk_ike            $P -lib psk_ike.pvl            psk_main.pv
one fttft  psk_b1_selfie      $P -lib psk_b1_selfie.pvl      psk_main.pv
one f      psk_weak           $P -lib psk_full.pvl           psk_weak.pv
one ftttt  hybrid_full        $P -lib hybrid_full.pvl        hybrid_main.pv
one ffftt  hybrid_b1_kemonly  $P -lib hybrid_b1_kemonly.pvl  hybrid_main.pv
one ffftt  hybrid_b2_dhonly   $P -lib hybrid_b2_dhonly.pvl   hybrid_main.pv
one ftttt  sas_full           $P -lib sas_full.pvl           sas_main.pv
one fffff  sas_b1_nocommit    $P -lib sas_b1_nocommit.pvl    sas_main.pv
one fffff  sas_b2_notranscript $P -lib sas_b2_notranscript.pvl sas_main.pv
one fffff  sas_fork_bad       $P -lib sas_full.pvl           sas_fork_bad.pv
# Both sides commit (docs/spec.md, C16). Written after the last run of ProVerif: these two verdicts are what is expected of them.
one ftttt  sas_both           $P -lib sas_both.pvl           sas_both_main.pv
one fffff  sas_both_b1_nocommit $P -lib sas_both_b1_nocommit.pvl sas_both_main.pv
one ftttt  sas_fork_ok        $P -lib sas_full.pvl           sas_fork_ok.pv
one fttttt fp_full            $P -lib fp_full.pvl            fp_main.pv
one fttttt fp_idonly          $P -lib fp_idonly.pvl          fp_main.pv
one fttffx fp_b1_none         $P -lib fp_b1_none.pvl         fp_main.pv
one fttfff fp_b2_sidonly      $P -lib fp_b2_sidonly.pvl      fp_main.pv
one ftttt  o2rsa_bound        $P -lib o2rsa_bound.pvl        o2rsa_main.pv
one fxfff  o2rsa_b1_unbound   $P -lib o2rsa_b1_unbound.pvl   o2rsa_main.pv
one fxftt  o2rsa_b2_signonly  $P -lib o2rsa_b2_signonly.pvl  o2rsa_main.pv
one ftt    rekey_full         $P -lib rekey_full.pvl         rekey_main.pv
one ftf    rekey_b1_reflect   $P -lib rekey_b1_reflect.pvl   rekey_main.pv
one t      group_leave        $P -lib group_leave.pvl        group_main.pv
one f      group_b1_leave     $P -lib group_b1_leave.pvl     group_main.pv
one t      group_join         $P -lib group_join.pvl         group_main.pv
one f      group_b2_join      $P -lib group_b2_join.pvl      group_main.pv
# observational equivalence: t = proved, d = a trace that tells the two apart was found, x = neither
eqv() { # expected name libs... main
  want=$1; name=$2; shift 2
  s=$(date +%s%N)
  got=$(timeout 600 "$PV" "$@" 2>/dev/null | awk '/^A trace has been found/{f=1} /^RESULT .* is true\.$/{r=r "t"} /^RESULT .*cannot be proved/{r=r (f?"d":"x")} END{printf "%s", r}')
  ms=$(( ($(date +%s%N) - s) / 1000000 ))
  if [ "$got" = "$want" ]; then r=ok; else r=MISMATCH; rc=1; fi
  printf '%-9s %-26s want %-11s got %-11s %6d ms\n' "$r" "$name" "$want" "$got" "$ms"
}
# RESUME: reach, early sec, early FS (x or f: none by design), final sec, final FS I, final FS R, agreeI(inj), early non-inj, early inj,
# one sender per TEK, responder after the first packet (inj)
one ftxtttttttt resume_full      $P -lib resume_full.pvl      resume_main.pv
one ftxtttttftt resume_norecord  $P -lib resume_norecord.pvl  resume_main.pv
one ftftttttttt resume_earlyfs   $P -lib resume_earlyfs.pvl   resume_main.pv
one ftftffttttt resume_b1_nodh   $P -lib resume_b1_nodh.pvl   resume_main.pv
one ftxtttttfft resume_b2_rsends $P -lib resume_b2_rsends.pvl resume_main.pv
one ftxtttffftf resume_b3_selfie $P -lib resume_b3_selfie.pvl resume_main.pv
# RESUME_REQ sent again with COOKIE: reach, secrecy of the content, early agreement
one ftt    cookie_full        $P -lib cookie_full.pvl        cookie_main.pv
one fff    cookie_b1_inad     $P -lib cookie_b1_inad.pvl     cookie_main.pv
# HASH of RESUME_RESP against guessing of the request's content
one t      reshash_full       $P -lib reshash_full.pvl       reshash_main.pv
one t      reshash_assent     $P -lib reshash_assent.pvl     reshash_main.pv
one f      reshash_b1_clear   $P -lib reshash_b1_clear.pvl   reshash_main.pv
# hidden identity
eqv t      idhide_anon        $P -lib idhide_anon.pvl        idhide_main.pv
eqv t      idhide_onetime     $P -lib idhide_onetime.pvl     idhide_main.pv
eqv t      idhide_psk_active  $P -lib idhide_psk_active.pvl  idhide_main.pv
eqv d      idhide_b1_fixed    $P -lib idhide_b1_fixed.pvl    idhide_main.pv
eqv d      idhide_b2_clear    $P -lib idhide_b2_clear.pvl    idhide_main.pv
eqv d      idhide_b3_active   $P -lib idhide_b3_active.pvl   idhide_main.pv
one fttttt sighid_full        $P -lib auth_full.pvl          sig_hid.pv
one fttttt sighid_a4_nomac    $P -lib auth_a4_nomac.pvl      sig_hid.pv
one fttttt sighid_a8_maconly  $P -lib auth_a8_maconly.pvl    sig_hid.pv
one ftttft sighid_ike_strict  $P -lib auth_ike_strict.pvl    sig_hid.pv
# R bit: reach, request secret, response secret, request agreement (inj), response agreement (inj)
one ftttt  rbit_full          $P -lib rbit_full.pvl          rbit_main.pv
one fffff  rbit_b1_none       $P -lib rbit_b1_none.pvl       rbit_main.pv
# GROUP_REKEY: reach, authentic, once
one ftt    grekey_full        $P -lib grekey_full.pvl        grekey_main.pv
one ftt    grekey_a3_nohdr    $P -lib grekey_a3_nohdr.pvl    grekey_main.pv
one fff    grekey_b1_mac      $P -lib grekey_b1_mac.pvl      grekey_main.pv
one ftf    grekey_b2_replay   $P -lib grekey_b2_replay.pvl   grekey_main.pv
one fff    grekey_b3_hdronly  $P -lib grekey_b3_hdronly.pvl  grekey_main.pv
# key tree: reach, one leaver, two leavers, leave then join
one fttt   tree_leave         $P -lib tree_leave.pvl         tree_main.pv
one fttt   tree_collude       $P -lib tree_collude.pvl       tree_main.pv
one fttt   tree_rejoin        $P -lib tree_rejoin.pvl        tree_main.pv
one fftt   tree_b1_rootown    $P -lib tree_b1_rootown.pvl    tree_main.pv
one fftt   tree_b2_nodeown    $P -lib tree_b2_nodeown.pvl    tree_main.pv
one ftft   tree_b3_collude    $P -lib tree_b3_collude.pvl    tree_main.pv
one fttf   tree_b4_joinold    $P -lib tree_b4_joinold.pvl    tree_main.pv
# CCE2 with PSK: reach, secI, secR, agreeI(inj, with the response's policy), agreeR(inj)
one ftttt  cce2psk_full       $P -lib cce2psk_full.pvl       cce2psk_main.pv
one fttft  cce2psk_b1_vnohdr  $P -lib cce2psk_b1_vnohdr.pvl  cce2psk_main.pv
one ffftt  cce2psk_b2_nodh    $P -lib cce2psk_b2_nodh.pvl    cce2psk_main.pv
one fffff  cce2psk_b3_nopsk   $P -lib cce2psk_b3_nopsk.pvl   cce2psk_main.pv
# CCE2 with PSK, DH broken later: reach, secrecy of what later messages carry
one ft     cce2info_full      $P -lib cce2info_full.pvl      cce2info_main.pv
one ff     cce2info_b1_prk    $P -lib cce2info_b1_prk.pvl    cce2info_main.pv
# two INIT_REQs after Invalid DH
one fttttt retry_full         $P -lib auth_full.pvl  -lib retry_full.pvl     retry_sig_main.pv
one fttttt retry_a1_nodhi     $P -lib auth_full.pvl  -lib retry_a1_nodhi.pvl retry_sig_main.pv
one ffffft retry_b1_nosig     $P -lib auth_b3_nosig.pvl -lib retry_full.pvl  retry_sig_main.pv
one ftttt  sas_retry_ok       $P -lib sas_full.pvl           sas_retry_ok.pv
one fffff  sas_retry_bad      $P -lib sas_full.pvl           sas_retry_bad.pv
exit $rc
